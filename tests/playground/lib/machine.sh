# shellcheck shell=bash disable=SC2153
# What the machine must have, processes, and cgroups.

# ------------------------------------------------------------------ processes

# A pid file holds "PID STARTTIME", so that a pid used again is never ours.
start_time() { # PID
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    echo "${20}"
}
live_pid() { # FILE: the pid in it, if that process still runs
    local pid when
    [[ -s $1 ]] && read -r pid when <"$1" || return 1
    [[ $(start_time "$pid") == "$when" ]] || return 1
    echo "$pid"
}
end_pids() { # PID...: SIGKILL, and wait until they are gone
    [[ $# -gt 0 ]] || return 0
    kill -KILL "$@" 2>/dev/null || true
    wait_gone "$@"
}
wait_gone() { # PID...
    local p i
    for p; do
        for ((i = 0; i < 500; i++)); do
            [[ -d /proc/$p ]] || break
            if grep -q '^State:.Z' "/proc/$p/status" 2>/dev/null; then break; fi
            sleep 0.02
        done
    done
}

# --------------------------------------------------------------- installation

POLICY=/usr/sbin/policy-rc.d # keeps services from starting while packages are installed
remove_policy() { # ours, and not one of the machine's
    if grep -qs "^# $MARK" "$POLICY"; then rm -f "$POLICY"; fi
}

install_missing() {
    local want=() pair
    remove_policy # that of an installation which was killed
    for pair in dockerd:docker.io docker:docker.io sshd:openssh-server ssh:openssh-client \
        iptables:iptables ip:iproute2 nft:nftables busybox:busybox-static unshare:util-linux \
        mkfs.ext4:e2fsprogs /usr/bin/python3:python3-minimal; do
        command -v "${pair%%:*}" >/dev/null || want+=("${pair#*:}")
    done
    [[ ${#want[@]} -gt 0 ]] || return 0
    command -v apt-get >/dev/null || die "missing here: ${want[*]}; install them and try again"
    # Where the docker client is a package of its own.
    if ! command -v docker >/dev/null && apt-cache show docker-cli >/dev/null 2>&1; then want+=(docker-cli); fi
    say "installing ${want[*]}"
    # No service of theirs may start on this machine meanwhile.
    local log=/tmp/stackctl-playground-apt.log rc=0
    if [[ ! -e $POLICY ]]; then
        printf '#!/bin/sh\n# %s\nexit 101\n' "$MARK" >"$POLICY"
        chmod 755 "$POLICY"
    fi
    {
        export DEBIAN_FRONTEND=noninteractive
        apt-get install -y --no-install-recommends "${want[@]}" ||
            { apt-get update && apt-get install -y --no-install-recommends "${want[@]}"; }
    } </dev/null >"$log" 2>&1 || rc=$?
    remove_policy
    if [[ $rc -ne 0 ]]; then
        tail -5 "$log" >&2
        die "apt-get install ${want[*]} failed; the whole log is $log"
    fi
}

# -------------------------------------------------------------------- cgroups
# A host's cgroup namespace is rooted at /$CGROUP/hN: dockerd's cgroups on
# different hosts do not meet, and `down` finds every process of ours.

cgroup_v2() { [[ $(stat -fc %T /sys/fs/cgroup 2>/dev/null) == cgroup2fs ]]; }

cgroup_v1_mounts() { # "CONTROLLERS MOUNTPOINT" of each v1 hierarchy that has any
    awk '$3 == "cgroup" && $4 !~ /name=/ {
        n = split($4, option, ","); names = ""
        for (i = 1; i <= n; i++)
            if (option[i] ~ /^(cpu|cpuacct|cpuset|memory|devices|freezer|blkio|pids|hugetlb|perf_event|net_cls|net_prio)$/)
                names = names (names == "" ? "" : ",") option[i]
        if (names != "" && !seen[names]++) print names, $2
    }' /proc/mounts
}

ensure_cgroups() {
    if cgroup_v2 || [[ -n $(cgroup_v1_mounts) ]]; then return; fi
    local c mounted=''
    mountpoint -q /sys/fs/cgroup || mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
    for c in cpuset cpu cpuacct blkio memory devices freezer pids hugetlb; do
        grep -q "^$c\>.*1$" /proc/cgroups || continue
        mkdir -p "/sys/fs/cgroup/$c"
        if mount -t cgroup -o "$c" cgroup "/sys/fs/cgroup/$c" 2>/dev/null; then
            mounted=1
        else
            rmdir "/sys/fs/cgroup/$c"
        fi
    done
    [[ -n $mounted ]] || die "no cgroup hierarchy can be mounted here; docker needs one"
}

cgroup_dirs() { # SUFFIX: every directory that stands for our cgroup
    local mp rest
    if cgroup_v2; then
        echo "/sys/fs/cgroup/$CGROUP$1"
    else
        while read -r rest mp; do echo "$mp/$CGROUP$1"; done < <(cgroup_v1_mounts)
        : "${rest:-}"
    fi
}

cgroup_join() { # NAME: this shell moves into /$CGROUP/NAME; 0 is who writes, also in a PID namespace
    local d p f
    while read -r d; do
        mkdir -p "$d"
        if ! cgroup_v2 && [[ -e $d/cpuset.cpus ]]; then
            # v1: a cpuset without cpus or mems takes no process
            for p in "${d%/*}" "$d"; do
                for f in cpuset.cpus cpuset.mems; do
                    if [[ -z $(cat "$p/$f") ]]; then cat "${p%/*}/$f" >"$p/$f"; fi
                done
            done
        fi
        echo 0 >"$d/cgroup.procs"
    done < <(cgroup_dirs "/$1")
}

cgroup_pids() { # SUFFIX: every process in or below
    local d
    while read -r d; do
        if [[ -d $d ]]; then find "$d" -name cgroup.procs -exec cat {} + 2>/dev/null || true; fi
    done < <(cgroup_dirs "$1") | sort -un
}

cgroup_thaw() { # SUFFIX: under v1, SIGKILL waits until a container that was paused goes on
    local d
    while read -r d; do
        if [[ -e $d/freezer.state ]]; then
            # shellcheck disable=SC2016
            find "$d" -name freezer.state -exec sh -c 'for f; do echo THAWED >"$f"; done' sh {} + 2>/dev/null || true
        fi
    done < <(cgroup_dirs "$1")
}

cgroup_remove() { # SUFFIX
    local d try
    while read -r d; do
        for try in {1..10}; do
            [[ -d $d ]] || break
            find "$d" -depth -type d -exec rmdir {} + 2>/dev/null || true
            if [[ -d $d ]]; then sleep 0.05; fi
        done
        : "$try"
    done < <(cgroup_dirs "$1")
}
