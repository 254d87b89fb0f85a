# shellcheck shell=bash disable=SC2153
# Processes that stand still and are not dead (SIGSTOP): connections to them stay
# open, the kernel even accepts new ones, and no answer comes.

state_of() { # PID: its letter in /proc
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    stat=${stat##*) }
    echo "${stat%% *}"
}

processes_of() { # HOST [NAME]: pids, as the machine counts them
    local pid comm
    for pid in $(cgroup_pids "/$1"); do
        comm=''
        if [[ -z ${2:-} ]] || { { read -r comm <"/proc/$pid/comm"; } 2>/dev/null && [[ $comm == "${2:0:15}" ]]; }; then
            echo "$pid"
        fi
    done
}

freeze() { # HOST [NAME]: until no process is left that is not stopped; they may fork meanwhile
    local pid seen=' ' new=1
    while [[ $new -gt 0 ]]; do
        new=0
        for pid in $(processes_of "$@"); do
            if [[ $seen == *" $pid "* ]]; then continue; fi
            kill -STOP "$pid" 2>/dev/null || true
            seen+="$pid "
            new=$((new + 1))
        done
    done
    [[ $seen != ' ' ]] || die "$1: no process is called ${2:-anything}"
}

thaw() { # HOST [NAME]
    local pids
    # shellcheck disable=SC2207
    pids=($(processes_of "$@"))
    [[ ${#pids[@]} -eq 0 ]] || kill -CONT "${pids[@]}" 2>/dev/null || true
}

frozen_on() { # HOST: "all", or the names of what stands still
    local pid
    if [[ $(state_of "$(host_pid "$1")") == T ]]; then echo all; return; fi
    for pid in $(processes_of "$1"); do
        if [[ $(state_of "$pid") == T ]]; then cat "/proc/$pid/comm"; fi
    done 2>/dev/null | sort -u | xargs | tr ' ' ,
}

cmd_freeze() { freeze_or_thaw freeze "$@"; }
cmd_thaw() { freeze_or_thaw thaw "$@"; }
freeze_or_thaw() { # freeze|thaw HOST [NAME]
    [[ $# -ge 2 && $# -le 3 ]] || die "$1: HOST [PROCESS]"
    need_up
    need_host "$2"
    host_pid "$2" >/dev/null || die "$2 is off; run: $SELF start $2"
    lock
    "$@"
}
