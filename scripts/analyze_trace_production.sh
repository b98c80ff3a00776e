#!/usr/bin/env bash
# Compares two records: the two newest, or the two named.
#   scripts/analyze_trace_production.sh --compare-performance [BASELINE RUN]
set -euo pipefail
if [ "${1:-}" != "--compare-performance" ]; then
    echo "usage: scripts/analyze_trace_production.sh --compare-performance [BASELINE RUN]" >&2
    exit 2
fi
shift
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/scripts/setup"
exec "$root/.venv/bin/python" -m optiflow compare "$@"
