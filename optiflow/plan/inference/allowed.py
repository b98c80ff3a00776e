"""Functions, classes and methods that only compute, name by name: the allow-list of the analysis.

Names are those that `optiflow.plan.inference.vouching` vouches for. Whatever keeps or changes something (compressors,
scanners, contexts of ``decimal``, ``calendar.setfirstweekday``, ``struct.pack_into``), shares what it is given
(``ChainMap``, ``memoryview``) or calls what can't be seen is left out on purpose.
"""

from __future__ import annotations

__all__ = ["CALLED", "CLASSES", "FUNCTIONS", "METHODS", "MODULES", "REFUSED_KEYWORDS"]

MODULES = frozenset({"math", "cmath", "unicodedata", "binascii", "colorsys"})
"""Modules all of whose functions only compute."""


def _names(**modules: str) -> frozenset[str]:
    return frozenset(
        f"{module.replace('__', '.')}.{name}" for module, names in modules.items() for name in names.split()
    )


FUNCTIONS = _names(
    itertools="chain.from_iterable",
    _functools="reduce cmp_to_key",
    functools="reduce cmp_to_key",
    _operator="abs add and_ concat contains countOf eq floordiv ge getitem gt index indexOf inv invert is_ is_not le"
    " length_hint lshift lt matmul mod mul ne neg not_ or_ pos pow rshift sub truediv truth xor",
    _struct="pack unpack unpack_from calcsize iter_unpack",
    zlib="compress decompress crc32 adler32",
    _hashlib="openssl_md5 openssl_sha1 openssl_sha224 openssl_sha256 openssl_sha384 openssl_sha512 openssl_sha3_224"
    " openssl_sha3_256 openssl_sha3_384 openssl_sha3_512 openssl_shake_128 openssl_shake_256 new pbkdf2_hmac scrypt"
    " compare_digest",
    hashlib="__hash_new __py_new",
    _md5="md5",
    _sha1="sha1",
    _sha256="sha224 sha256",
    _sha512="sha384 sha512",
    _sha2="sha224 sha256 sha384 sha512",
    json="dumps loads",
    re="compile escape findall finditer fullmatch match search split sub subn",
    base64="a85decode a85encode b16decode b16encode b32decode b32encode b32hexdecode b32hexencode b64decode b64encode"
    " b85decode b85encode decodebytes encodebytes standard_b64decode standard_b64encode urlsafe_b64decode"
    " urlsafe_b64encode",
    calendar="isleap leapdays monthrange timegm weekday",
    copy="copy deepcopy",
    dataclasses="asdict astuple fields is_dataclass replace",
    difflib="context_diff get_close_matches ndiff unified_diff",
    heapq="merge nlargest nsmallest",
    _bisect="bisect_left bisect_right",
    bisect="bisect_left bisect_right",
    html="escape unescape",
    statistics="correlation covariance fmean geometric_mean harmonic_mean linear_regression mean median median_grouped"
    " median_high median_low mode multimode pstdev pvariance quantiles stdev variance",
    string="capwords",
    textwrap="dedent fill indent shorten wrap",
    typing="cast get_args get_origin",
    urllib__parse="parse_qs parse_qsl quote quote_from_bytes quote_plus unquote unquote_plus unquote_to_bytes urldefrag"
    " urlencode urljoin urlparse urlsplit urlunparse urlunsplit",
    uuid="uuid1 uuid3 uuid4 uuid5 uuid6 uuid7 uuid8",
    ast="literal_eval",
    asyncio__tasks="gather sleep wait_for",
    posixpath="basename dirname join normpath split splitext",
    time="gmtime localtime monotonic monotonic_ns perf_counter perf_counter_ns process_time sleep strftime time"
    " time_ns",
    traceback="format_exc",
    langgraph__config="get_config",
    langchain_openai__chat_models__base="_oai_structured_outputs_parser",
    langchain_core__messages__utils="get_buffer_string convert_to_messages message_chunk_to_message"
    " messages_from_dict convert_to_openai_messages filter_messages merge_message_runs count_tokens_approximately",
    langchain_core__messages__base="message_to_dict messages_to_dict merge_content get_msg_title_repr",
)
"""Functions that only compute or wait, but for the functions that they are given."""

CLASSES = _names(
    builtins="bool bytearray bytes complex dict enumerate filter float frozenset int list map object range reversed set"
    " slice str tuple type zip",
    itertools="accumulate batched chain combinations combinations_with_replacement compress count cycle dropwhile"
    " filterfalse groupby islice pairwise permutations product repeat starmap takewhile zip_longest",
    functools="partial",
    operator="itemgetter attrgetter",
    collections="Counter OrderedDict defaultdict deque",
    _struct="Struct",
    _blake2="blake2b blake2s",
    _sha3="sha3_224 sha3_256 sha3_384 sha3_512 shake_128 shake_256",
    datetime="date datetime time timedelta timezone",
    zoneinfo="ZoneInfo",
    decimal="Decimal",
    fractions="Fraction",
    difflib="SequenceMatcher",
    string="Template",
    urllib__parse="DefragResult ParseResult SplitResult",
    uuid="UUID",
    contextlib="nullcontext suppress",
    langgraph__types="Overwrite",
)
"""Classes whose instances are only made of what they are given."""

METHODS = {
    "collections.Counter": "copy elements get items keys most_common total values",
    "collections.OrderedDict": "copy get items keys values fromkeys",
    "collections.defaultdict": "copy get items keys values",
    "collections.deque": "copy count index",
    "_struct.Struct": "iter_unpack pack unpack unpack_from",
    "_hashlib.HASH": "copy digest hexdigest",
    "_hashlib.HASHXOF": "copy digest hexdigest",
    "re.Pattern": "findall finditer fullmatch match search split sub subn",
    "re.Match": "end expand group groupdict groups span start",
    "datetime.date": "ctime fromisocalendar fromisoformat fromordinal fromtimestamp isocalendar isoformat isoweekday"
    " replace strftime timetuple today toordinal weekday",
    "datetime.datetime": "astimezone combine ctime date dst fromisocalendar fromisoformat fromordinal fromtimestamp"
    " isocalendar isoformat isoweekday now replace strftime strptime time timestamp timetuple timetz today toordinal"
    " tzname utcfromtimestamp utcnow utcoffset utctimetuple weekday",
    "datetime.time": "dst fromisoformat isoformat replace strftime tzname utcoffset",
    "datetime.timedelta": "total_seconds",
    "datetime.timezone": "dst fromutc tzname utcoffset",
    "zoneinfo.ZoneInfo": "dst tzname utcoffset",
    "decimal.Decimal": "adjusted as_integer_ratio as_tuple canonical compare compare_signal compare_total conjugate"
    " copy_abs copy_negate copy_sign exp fma from_float is_finite is_infinite is_nan is_normal is_signed is_zero ln"
    " log10 logb max min next_minus next_plus normalize quantize radix remainder_near rotate same_quantum scaleb shift"
    " sqrt to_eng_string to_integral_exact to_integral_value",
    "fractions.Fraction": "as_integer_ratio conjugate from_decimal from_float is_integer limit_denominator",
    "difflib.SequenceMatcher": "find_longest_match get_grouped_opcodes get_matching_blocks get_opcodes"
    " quick_ratio ratio real_quick_ratio",
    "string.Template": "safe_substitute substitute",
    "urllib.parse.ParseResult": "geturl _replace _asdict",
    "urllib.parse.SplitResult": "geturl _replace _asdict",
    "langchain_core.prompts.chat.ChatPromptTemplate": "from_messages from_template",
    "langchain_core.prompts.prompt.PromptTemplate": "from_template",
    "langchain_core.prompts.chat.HumanMessagePromptTemplate": "from_template",
    "langchain_core.prompts.chat.SystemMessagePromptTemplate": "from_template",
    "langchain_core.prompts.chat.AIMessagePromptTemplate": "from_template",
}
"""Methods that only compute, by class; those of text, numbers and plain containers are in `knowledge`."""

CALLED: dict[str, tuple[frozenset[int], frozenset[str]]] = {
    name: (frozenset(positions), frozenset(keywords.split()))
    for name, positions, keywords in (
        ("builtins.map", (0,), ""),
        ("builtins.filter", (0,), ""),
        ("builtins.sorted", (), "key"),
        ("builtins.min", (), "key"),
        ("builtins.max", (), "key"),
        ("_functools.reduce", (0,), ""),
        ("functools.reduce", (0,), ""),
        ("functools.partial", (0,), ""),
        ("_functools.cmp_to_key", (0,), "mycmp"),
        ("functools.cmp_to_key", (0,), "mycmp"),
        ("itertools.starmap", (0,), ""),
        ("itertools.takewhile", (0,), ""),
        ("itertools.dropwhile", (0,), ""),
        ("itertools.filterfalse", (0,), ""),
        ("itertools.accumulate", (1,), "func"),
        ("itertools.groupby", (1,), "key"),
        ("collections.defaultdict", (0,), "default_factory"),
        ("re.sub", (1,), "repl"),
        ("re.subn", (1,), "repl"),
        ("re.Pattern.sub", (0,), "repl"),
        ("re.Pattern.subn", (0,), "repl"),
        ("json.dumps", (), "default"),
        ("json.loads", (), "object_hook object_pairs_hook parse_float parse_int parse_constant"),
        ("heapq.nlargest", (2,), "key"),
        ("heapq.nsmallest", (2,), "key"),
        ("heapq.merge", (), "key"),
        ("_bisect.bisect_left", (), "key"),
        ("_bisect.bisect_right", (), "key"),
        ("dataclasses.asdict", (), "dict_factory"),
        ("dataclasses.astuple", (), "tuple_factory"),
        ("difflib.ndiff", (2, 3), "linejunk charjunk"),
        ("difflib.SequenceMatcher", (0,), "isjunk"),
        ("textwrap.indent", (2,), "predicate"),
        ("urllib.parse.urlencode", (5,), "quote_via"),
    )
}
"""Which of their arguments functions call: by place and by name."""

REFUSED_KEYWORDS: dict[str, frozenset[str]] = {
    "json.dumps": frozenset({"cls"}),
    "json.loads": frozenset({"cls"}),
}
"""Keywords that hand over a class whose methods are then called; None is all right."""
