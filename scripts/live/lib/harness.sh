# Checks and what they need: running them, telling what came of them, cleaning up after them.
#
# A check is a function; `check NAME "NEED..." FUNCTION [ARGUMENT...]` runs it in a shell of its own with
# `set -e`, within a time limit. A need is a function too, `provide_NEED`, run once however many checks
# ask for it: a program that is installed, a server that is started. It exits 77 when this machine cannot
# have it, and says why on its last line.

# Seconds that a check may take.
: "${LIMIT:=180}"

passed=0 failed=0 skipped=0
work='' logs=''

# begin: the folders of this run, and their end.
begin() {
  work=$(mktemp -d "${TMPDIR:-/tmp}/loadline-live.XXXXXX") || exit 1
  logs=$root/target/live
  rm -rf "$logs"
  mkdir -p "$logs" "$work"/{home,jobs,mounts,needs,pids,undo} || exit 1
  printf '*\n' > "$logs/.gitignore"
  # Peers find neither the user's engine nor credentials nor caches.
  export DOCKER_HOST=unix://$work/docker.sock DOCKER_CONFIG=$work/docker-config
  mkdir -p "$DOCKER_CONFIG"
  trap cleanup EXIT
  trap 'exit 130' INT TERM HUP
}

# check NAME "NEED..." FUNCTION [ARGUMENT...]
check() {
  local name=$1 needs=$2 need code=0 log reason started pattern wanted
  shift 2
  wanted=1
  if [ ${#patterns[@]} -gt 0 ]; then
    wanted=0
    # Patterns are meant to be matched as such.
    # shellcheck disable=SC2254
    for pattern in "${patterns[@]}"; do case "$name" in $pattern) wanted=1 ;; esac; done
  fi
  [ "$wanted" = 1 ] || return 0
  if [ "$list" = 1 ]; then echo "$name"; return 0; fi

  for need in $needs; do
    provide "$need"
    code=$?
    [ "$code" = 0 ] && continue
    reason="$need: $(last_line "$logs/need-$need.log")"
    if [ "$code" = 77 ] && [ "${CI:-}" != true ]; then
      skipped=$((skipped + 1)); echo "skip $name: $reason"
    else
      failed=$((failed + 1)); echo "FAIL $name: $reason"
    fi
    return 0
  done

  log=$logs/$name.log
  rm -f "$work/fact"
  started=$(milliseconds)
  within "$LIMIT" "$log" "$@"
  code=$?
  if [ "$code" = 0 ]; then
    passed=$((passed + 1))
    echo "ok $name ($(($(milliseconds) - started)) ms$([ ! -s "$work/fact" ] || printf '; %s' "$(cat "$work/fact")"))"
  else
    [ "$code" = 124 ] && echo "it took longer than $LIMIT s" >> "$log"
    failed=$((failed + 1)); echo "FAIL $name: $(last_line "$log") (exit $code; ${log#"$root/"})"
  fi
}

# A function that is called in a condition, with `||` or `if`, runs without `set -e`, down to the shells
# it starts. So what is to stop at its first failure is called plainly: provide, need and within are.

# provide NEED: runs provide_NEED unless it ran; its exit code either way.
provide() {
  local mark=$work/needs/$1
  if [ ! -e "$mark" ]; then
    within 1800 "$logs/need-$1.log" "provide_$1"
    echo "$?" > "$mark"
  fi
  return "$(cat "$mark")"
}

# need NAME: the same inside of a provide_ function, which ends with the reason where it cannot be had.
need() {
  local code
  set +e
  provide "$1"
  code=$?
  set -e
  [ "$code" = 0 ] || { echo "$1: $(last_line "$logs/need-$1.log")"; exit "$code"; }
}

last_line() { grep -v '^[[:space:]]*$' "$1" 2> /dev/null | tail -n 1 | cut -c 1-600; }

# unavailable WHY: this machine cannot have what is needed.
unavailable() { echo "$*"; exit 77; }

# die WHY: the check or the need failed.
die() { echo "$*"; exit 1; }

# fact WHAT: shown beside the check's name when it passes.
fact() { echo "$*" | tee "$work/fact"; }

# within SECONDS LOG COMMAND...: a function or program in a process group of its own, which is ended when
# the time is up; 124 then.
within() {
  local seconds=$1 log=$2 job watch code
  shift 2
  set -m
  ( set +m; trap - EXIT INT TERM HUP; set -euo pipefail; "$@" ) > "$log" 2>&1 < /dev/null &
  job=$!
  ( set +m; trap - EXIT INT TERM HUP
    sleep "$seconds"; : > "$work/late.$job"; kill -TERM -- "-$job"; sleep 5; kill -KILL -- "-$job" ) > /dev/null 2>&1 < /dev/null &
  watch=$!
  set +m
  : > "$work/jobs/$job"; : > "$work/jobs/$watch"
  wait "$job"
  code=$?
  # Again and again: a signal that meets a shell between fork and exec is lost.
  while kill -TERM -- "-$watch" 2> /dev/null; do sleep 0.01; done
  wait "$watch" 2> /dev/null
  rm -f "$work/jobs/$job" "$work/jobs/$watch"
  [ ! -e "$work/late.$job" ] || code=124
  return "$code"
}

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

# eventually SECONDS COMMAND...: until it succeeds.
eventually() {
  local end=$((SECONDS + $1))
  shift
  until "$@" > /dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.05
  done
}

# equal WHAT GOT WANTED
equal() { [ "$2" = "$3" ] || die "$1: got '$2', not '$3'"; }

# refused CODE REASON COMMAND...: exits with that code and no other, and says the reason (a pattern).
refused() {
  local wanted=$1 reason=$2 code=0
  shift 2
  "$@" > "$work/refusal" 2>&1 || code=$?
  cat "$work/refusal"
  [ "$code" = "$wanted" ] || die "exit $code, not $wanted: $*"
  grep -q "$reason" "$work/refusal" || die "the reason is not '$reason': $*"
}

# background NAME LOG COMMAND...: a server that outlives the shell which starts it, ended by `cleanup`.
background() {
  local name=$1 log=$2
  shift 2
  setsid "$@" > "$log" 2>&1 < /dev/null &
  echo "$! $(cut -d' ' -f22 "/proc/$!/stat")" > "$work/pids/$name"
}

# alive NAME: whether it is still that very process: its number and the tick it began at.
alive() {
  local pid began
  read -r pid began < "$work/pids/$1" 2> /dev/null || return 1
  [ "$(cut -d' ' -f22 "/proc/$pid/stat" 2> /dev/null)" = "$began" ]
}

# end NAME: asks the process to end, waits, then insists.
end() {
  local pid
  alive "$1" || { rm -f "$work/pids/$1"; return 0; }
  read -r pid _ < "$work/pids/$1"
  kill -TERM "$pid"
  eventually 20 gone "$1" || kill -KILL "$pid"
  rm -f "$work/pids/$1"
}
gone() { ! alive "$1"; }
group_gone() { ! kill -TERM -- "-$1" 2> /dev/null; }

# on_mount PATH: is unmounted at the end. undo COMMAND: a shell line for the end.
on_mount() { echo "$1" > "$work/mounts/$(milliseconds).$RANDOM"; }
undo() { echo "$*" > "$work/undo/$(milliseconds).$RANDOM"; }

# cleanup: ends what was started, last first, and removes the run's folder. The logs stay.
cleanup() {
  local entry
  [ -n "$work" ] || return 0
  for entry in "$work"/jobs/*; do
    [ -e "$entry" ] || continue
    eventually 5 group_gone "${entry##*/}" || kill -KILL -- "-${entry##*/}" 2> /dev/null
  done
  while read -r entry; do end "${entry##*/}"; done < <(ls -t "$work/pids")
  for entry in "$work"/undo/*; do [ -e "$entry" ] && sh "$entry"; done
  for entry in "$work"/mounts/*; do [ -e "$entry" ] && umount "$(cat "$entry")" 2> /dev/null; done
  # Whatever is still mounted below would be emptied instead of removed.
  awk -v below="$work/" 'index($2, below) == 1 { print $2 }' /proc/mounts | sort -r |
    while read -r entry; do umount "$entry" 2> /dev/null || umount -l "$entry"; done
  rm -rf --one-file-system "$work"
  work=''
}

finish() {
  cleanup
  trap - EXIT
  echo "live: $passed passed, $failed failed, $skipped skipped"
  [ "$failed" = 0 ] || exit 1
  exit 0
}
