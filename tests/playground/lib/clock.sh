# shellcheck shell=bash disable=SC2153
# Clocks that are wrong.
#
# An engine's: dockerd heeds no faketime, and a kernel has one wall clock. So a
# relay (clock.py) takes the place of the engine's socket, and the times in its
# answers are those of a clock that jumped. The file "clock" on the host's disk
# holds the jumps, "MOMENT OFFSET" a line in seconds, and outlives a boot.
#
# Our own programs': a library (Debian's faketime) comes between a program and its
# C library. A static program has none between, and is refused.

clock_file() { echo "$DIR/hosts/$1/disk/etc/playground/clock"; } # HOST

clock_jump() { # HOST SECONDS: off by so much, from the next whole second on, as some times have no fractions
    local h=$1 moment=$(($(date +%s) + 1))
    cp "$HERE/lib/clock.py" "$DIR/hosts/$h/disk/etc/playground/clock.py"
    echo "$moment $2" >>"$(clock_file "$h")"
    clock_begin "$h"
    while [[ $(date +%s) -lt $moment ]]; do sleep 0.02; done
}

clock_pid() { # HOST: the relay's pid within the host
    # shellcheck disable=SC2016
    in_host "$1" bash -c 'p=$(cat /run/clock.pid) && [[ -d /proc/$p ]] && echo "$p"' 2>/dev/null
}
clock_begin() { # HOST: it reads the jumps again, or starts
    local h=$1 pid i
    if pid=$(clock_pid "$h"); then
        in_host "$h" kill -HUP "$pid"
        return
    fi
    in_host "$h" setsid -f /usr/bin/python3 /etc/playground/clock.py /run/docker.sock /run/docker.true.sock \
        /etc/playground/clock /run/clock.pid </dev/null >>"$DIR/logs/$h-clock.log" 2>&1 9>&-
    for ((i = 0; i < 100; i++)); do
        if clock_pid "$h" >/dev/null; then return; fi
        sleep 0.05
    done
    cat "$DIR/logs/$h-clock.log" >&2
    die "$h: the relay of its clock did not start"
}
clock_end() { # HOST: the engine's own socket is back
    local pid i
    pid=$(clock_pid "$1") || return 0
    in_host "$1" kill "$pid"
    for ((i = 0; i < 100; i++)); do
        if ! in_host "$1" test -d "/proc/$pid"; then return; fi
        sleep 0.02
    done
    in_host "$1" kill -KILL "$pid"
}
clock_mend() { # HOST: after a boot, or after dockerd started
    if [[ -e $(clock_file "$1") ]] && ! clock_pid "$1" >/dev/null; then clock_begin "$1"; fi
}
clock_right() { # HOST
    if [[ -e $(clock_file "$1") ]]; then
        clock_end "$1"
        rm -f "$(clock_file "$1")"
    fi
}

seconds_of() { # +60s, -5m, +2h, +1d: in seconds
    [[ $1 =~ ^([+-])([0-9]{1,7})([smhd])$ ]] || return
    local unit=1
    case ${BASH_REMATCH[3]} in m) unit=60 ;; h) unit=3600 ;; d) unit=86400 ;; esac
    echo "${BASH_REMATCH[1]/+/}$((10#${BASH_REMATCH[2]} * unit))"
}

cmd_clock() {
    local seconds=0 form="clock: HOST +60s|-5m|+2h|right"
    [[ $# -eq 2 ]] || die "$form"
    if [[ $2 != right ]]; then seconds=$(seconds_of "$2") || die "$form"; fi
    need_up
    need_host "$1"
    lock
    if [[ $2 == right ]]; then clock_right "$1"; else clock_jump "$1" "$seconds"; fi
}

# As the person who typed it, and without hosts.
cmd_with_clock() { # +60s|@FILE COMMAND...
    local library program clock seconds form="with-clock: +60s|@FILE COMMAND..."
    [[ $# -ge 2 ]] || die "$form"
    library=$(compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1') || die "with-clock: there is no libfaketime here; install Debian's faketime"
    program=$(type -P "$2") || die "with-clock: there is no program $2"
    if head -c 4 "$program" | grep -q ELF && ! head -c 8192 "$program" | grep -aq '/ld-linux'; then
        die "with-clock: $2 is static, and takes its time from nothing that can be replaced; build it without \`quick\`"
    fi
    case $1 in
    @*) clock=(FAKETIME_TIMESTAMP_FILE="$(readlink -m -- "${1#@}")" FAKETIME_NO_CACHE=1) ;;
    *)
        seconds=$(seconds_of "$1") || die "$form"
        clock=(FAKETIME="$(printf %+d "$seconds")")
        ;;
    esac
    # A clock that is set does not move what counts the time since the machine was started.
    exec env LD_PRELOAD="$library" FAKETIME_DONT_FAKE_MONOTONIC=1 "${clock[@]}" "$program" "${@:3}"
}
