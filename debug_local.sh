#!/usr/bin/env bash
# The checklist's checks, each line with the figure that decided it. Thin over `python -m optiflow phase`.
set -euo pipefail
usage() {
    cat <<'TEXT'
usage: ./debug_local.sh [FLAG ...] [OVERRIDE ...]
  --test-specific NAME    one phase: async_tokens, tokenizer_cache, parallel_prompts, ... (phase --help lists them)
  --performance-report    durations by operation in one run
  --log-level LEVEL       the logging phase at this level
  --profile-memory        memory over many runs
  --quick-test            one run with every toggle, against the criteria
  --full-test             every phase
  --disable-async --disable-cache --disable-parallel
                          roll toggles back, alone (the rollback is checked) or with any of the above
TEXT
}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
phases=() overrides=() level=()
while [ $# -gt 0 ]; do
    case "$1" in
        --test-specific)
            [ $# -ge 2 ] || { echo "debug_local.sh: --test-specific needs the name of a phase" >&2; exit 2; }
            phases+=("$2"); shift ;;
        --log-level)
            [ $# -ge 2 ] || { echo "debug_local.sh: --log-level needs a level" >&2; exit 2; }
            level=(--log-level "$2"); shift ;;
        --performance-report) phases+=(performance_report) ;;
        --profile-memory) phases+=(memory) ;;
        --quick-test) phases+=(quick) ;;
        --full-test) phases+=(all) ;;
        --disable-async | --disable-cache | --disable-parallel) overrides+=("opt.${1#--disable-}.enabled=false") ;;
        --help | -h) usage; exit 0 ;;
        *=*) overrides+=("$1") ;;
        *) echo "debug_local.sh: unknown flag '$1'; --help lists them" >&2; exit 2 ;;
    esac
    shift
done
if [ ${#phases[@]} -eq 0 ]; then
    if [ ${#level[@]} -gt 0 ]; then phases+=(quick_wins); fi
    if [ ${#overrides[@]} -gt 0 ]; then phases+=(rollback); fi
fi
if [ ${#phases[@]} -eq 0 ]; then usage >&2; exit 2; fi
export OPTIFLOW_LOG_DIR=${OPTIFLOW_LOG_DIR:-debug_logs}
"$root/scripts/setup"
exec "$root/.venv/bin/python" -m optiflow phase "${phases[@]}" ${level[@]+"${level[@]}"} ${overrides[@]+"${overrides[@]}"}
