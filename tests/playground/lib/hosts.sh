# shellcheck shell=bash disable=SC2153
# A host: its disk, its boot, its end, and the way into it.

host_pid() { live_pid "$DIR/hosts/$1/pid"; }
socket_of() { echo "unix://$DIR/hosts/$1/docker.sock"; }
dk() { local h=$1; shift; docker -H "$(socket_of "$h")" "$@"; } # HOST DOCKER-ARGS...

# Among four hosts each pair of zone and storage occurs once.
zone_of() { local i=${1#h}; if ((i % 2)); then echo a; else echo b; fi; }
storage_of() { local i=${1#h}; if ((i % 4 == 1 || i % 4 == 2)); then echo ssd; else echo hdd; fi; }

# -------------------------------------------------------------------- the disk

make_disk() { # HOST SIZE ENGINE: its root directory, as freshly installed
    local h=$1 size=$2 engine=$3 d=$DIR/hosts/$1/disk t
    rm -rf --one-file-system "$DIR/hosts/$h"
    mkdir -p "$d"/{etc,root,home,opt,srv,mnt,media,proc,sys,dev,run,tmp,usr,.old} \
        "$d"/var/{lib/docker,log,tmp,cache,spool,mail}
    chmod 700 "$d/root"
    chmod 1777 "$d/tmp" "$d/var/tmp"
    ln -s /run "$d/var/run"
    ln -s /run/lock "$d/var/lock"
    for t in bin sbin lib lib32 lib64 libx32; do
        if [[ -L /$t ]]; then cp -P "/$t" "$d/$t"; elif [[ -d /$t ]]; then mkdir "$d/$t"; fi
    done
    # The machine's settings, less what speaks of this machine.
    cp -a /etc/. "$d/etc/"
    rm -rf "$d"/etc/{docker,resolv.conf,profile.d,sudoers.d,environment} "$d"/etc/ssh/{ssh_host_*,sshd_config.d}
    echo "$h" >"$d/etc/hostname"
    printf '%s%026d\n' "$ID" "${h#h}" >"$d/etc/machine-id"
    # There is no name server: questions are refused at once.
    printf 'nameserver %s.254\noptions timeout:1 attempts:1\n' "$NET" >"$d/etc/resolv.conf"

    sed -i 's/^root:!*\([^:]*\):/root:*:/' "$d/etc/shadow"
    grep -q '^docker:' "$d/etc/group" || echo 'docker:x:7776:' >>"$d/etc/group"
    add_user "$d" deploy 7777
    add_user "$d" guest 7778
    sed -i '/^docker:/{/:$/!s/$/,/; s/$/deploy/}' "$d/etc/group"
    let_in "$d/root" 0

    cat >"$d/etc/ssh/sshd_config" <<'END'
# Keys only. The limits (MaxSessions, MaxStartups) are OpenSSH's own.
ListenAddress 0.0.0.0
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
AllowTcpForwarding yes
AllowStreamLocalForwarding yes
PrintMotd no
Subsystem sftp internal-sftp
END
    new_host_key "$h"
    mkdir -p "$d/etc/docker" "$d/etc/playground"
    daemon_json "$h" >"$d/etc/docker/daemon.json"
    cat >"$d/etc/playground/dockerd" <<'END'
#!/bin/bash
ulimit -n 1048576 2>/dev/null || ulimit -n "$(ulimit -Hn)"
ulimit -u unlimited 2>/dev/null
if [[ -d /opt/engine/usr ]]; then PATH=/opt/engine/usr/sbin:/opt/engine/usr/bin:$PATH; fi
as=()
if [[ -s /etc/playground/processor ]]; then as=(setarch "$(</etc/playground/processor)"); fi
cd /
exec "${as[@]}" setsid dockerd </dev/null >>/var/log/dockerd.log 2>&1
END
    # The first process; bash buries whom others leave behind.
    cat >"$d/etc/playground/init" <<'END'
#!/bin/bash
exec </dev/null >>/var/log/boot.log 2>&1
umount -l /.old
# As systemd does at boot.
mount --make-rshared /
echo "boot $(date -Is)"
rm -rf /tmp/* /tmp/.[!.]*
mkdir -p /run/sshd /run/lock
/usr/sbin/sshd -D -e >>/var/log/sshd.log 2>&1 &
/etc/playground/dockerd &
while :; do sleep infinity & wait $!; done
END
    # What `exec` goes through: into the host's cgroups first.
    cat >"$d/etc/playground/enter" <<'END'
#!/bin/bash
if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
    echo 0 >/sys/fs/cgroup/init/cgroup.procs
else
    for f in /sys/fs/cgroup/*/cgroup.procs; do echo 0 >"$f"; done
fi 2>/dev/null
cd /root || exit 125
exec "$@"
END
    chmod 755 "$d"/etc/playground/*
    if [[ -n $size ]]; then
        [[ -e /dev/loop-control ]] || die "up --disk needs loop devices, and this machine has none"
        truncate -s "$size" "$DIR/hosts/$h/docker.ext4"
        # No reserve for root: full is to mean full.
        mkfs.ext4 -q -m 0 -O ^has_journal "$DIR/hosts/$h/docker.ext4"
    fi
    echo "$engine" >"$DIR/hosts/$h/engine"
    : >"$DIR/hosts/$h/made"
}

add_user() { # DISK NAME UID
    local d=$1 name=$2 uid=$3
    sed -i "/^$name:/d" "$d/etc/passwd" "$d/etc/shadow" "$d/etc/group"
    echo "$name:x:$uid:$uid::/home/$name:/bin/bash" >>"$d/etc/passwd"
    echo "$name:*:19000:0:99999:7:::" >>"$d/etc/shadow"
    echo "$name:x:$uid:" >>"$d/etc/group"
    mkdir -p "$d/home/$name"
    let_in "$d/home/$name" "$uid"
}
let_in() { # HOME UID: with our key
    mkdir -p "$1/.ssh"
    cp "$DIR/id_ed25519.pub" "$1/.ssh/authorized_keys"
    chown -R "$2:$2" "$1"
    chmod 700 "$1/.ssh"
}

# ---------------------------------------------------------------- boot and end

boot() { # HOST: start its processes, without waiting
    local h=$1
    if host_pid "$h" >/dev/null; then return; fi
    # shellcheck disable=SC2046 # what a boot that was killed left
    end_pids $(cgroup_pids "/$h")
    rm -f "$DIR/hosts/$h"/{pid,docker.sock} "$DIR/hosts/$h/was".*
    line_cut "$h"
    # In its cgroup from the first moment, so that `down` finds it even if we are killed now.
    (
        cgroup_join "$h"
        exec setsid -f unshare --mount --propagation private "$SELF" __host "$h"
    ) </dev/null >"$DIR/logs/$h-boot.log" 2>&1 9>&-
}

# First in a private mount namespace; then the others. A cgroup namespace has its
# root where the process then is, which is the host's cgroup.
main_host() {
    exec unshare --cgroup --net --uts --ipc --pid --fork --kill-child "$SELF" __boot "$1"
}

# Then as the host's first process: network, mounts, and the change of root.
main_boot() {
    local h=$1 d=$DIR/hosts/$1/disk pid rest switch t names mp
    load_state
    read -r pid rest </proc/self/stat # /proc still shows the machine's pids
    : "$rest"
    switch=$(switch_pid)
    echo "$h" >/proc/sys/kernel/hostname
    ip link set lo up
    # Engines set the policy of FORWARD where they turn this on, and a new namespace has what the machine has.
    echo 0 >/proc/sys/net/ipv4/ip_forward
    ip link add eth0 address "$(printf '02:89:00:00:00:%02x' "${h#h}")" type veth \
        peer name "p-$h" netns "/proc/$switch/ns/net"
    nsenter --net="/proc/$switch/ns/net" ip link set "p-$h" master br0 up
    ip addr add "$(ip_of "$h")/24" dev eth0
    ip link set eth0 up
    ip route add default via "$NET.254"

    local v1
    v1=$(cgroup_v1_mounts)
    mount --bind "$d" "$d"
    mount --rbind /usr "$d/usr"
    mount -o remount,bind,ro "$d/usr"
    for t in bin sbin lib lib32 lib64 libx32; do # machines without a merged /usr
        if [[ -d $d/$t && ! -L $d/$t ]]; then mount --rbind "/$t" "$d/$t"; fi
    done
    if [[ -e $DIR/hosts/$h/docker.ext4 ]]; then mount -o loop "$DIR/hosts/$h/docker.ext4" "$d/var/lib/docker"; fi
    t=$(engine_dir_of "$h")
    if [[ -n $t ]]; then
        mkdir -p "$d/opt/engine"
        mount --bind "$t" "$d/opt/engine"
        mount -o remount,bind,ro "$d/opt/engine"
    fi
    mount -t proc proc "$d/proc"
    mount -t sysfs sysfs "$d/sys"
    mount --bind /dev "$d/dev"
    mount -t devpts -o newinstance,gid=5,mode=620,ptmxmode=666 devpts "$d/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$d/dev/shm"
    mount -t mqueue mqueue "$d/dev/mqueue" 2>/dev/null || true
    mount -t tmpfs -o mode=755 tmpfs "$d/run"
    if [[ -n $v1 ]]; then
        mount -t tmpfs -o mode=755 cgroup "$d/sys/fs/cgroup"
        while read -r names mp; do
            mkdir -p "$d/sys/fs/cgroup/$names"
            mount -t cgroup -o "$names" cgroup "$d/sys/fs/cgroup/$names"
            if [[ $names == *,* ]]; then
                for t in ${names//,/ }; do ln -s "$names" "$d/sys/fs/cgroup/$t"; done
            fi
        done <<<"$v1"
        : "$mp"
    else
        # v2: processes sit in leaves only, and controllers are handed down
        mount -t cgroup2 cgroup2 "$d/sys/fs/cgroup"
        mkdir -p "$d/sys/fs/cgroup/init"
        echo 0 >"$d/sys/fs/cgroup/init/cgroup.procs"
        for t in cpuset cpu io memory pids hugetlb; do
            echo "+$t" >"$d/sys/fs/cgroup/cgroup.subtree_control" || true
        done 2>/dev/null
    fi
    # Through /proc the machine sees the host's /run without sharing a mount.
    ln -sfn "/proc/$pid/root/run/docker.sock" "$DIR/hosts/$h/docker.sock"
    echo "$pid $(start_time "$pid")" >"$DIR/hosts/$h/pid"
    cd "$d" || exit 1
    pivot_root . .old
    cd /
    exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LANG=C.UTF-8 /bin/bash /etc/playground/init
}

boot_and_wait() { # HOST...: until each answers; a daemon that was stopped runs again
    local h pids=() failed=''
    for h; do
        # A host whose switch died has no cable any more.
        if host_pid "$h" >/dev/null && ! has_cable "$h"; then power_off "$h"; fi
        if ! host_pid "$h" >/dev/null; then boot "$h"; elif ! dockerd_pid "$h" >/dev/null; then start_dockerd "$h"; fi
    done
    for h; do { wait_docker "$h" && line_mend "$h" && clock_mend "$h" && wait_ssh "$h"; } & pids+=($!); done
    for h in "${pids[@]}"; do wait "$h" || failed=1; done
    [[ -z $failed ]] || die "not every host came up; see $DIR/logs"
}

wait_docker() { # HOST
    local h=$1 i
    for ((i = 0; i < 600; i++)); do
        if [[ -S $DIR/hosts/$h/docker.sock ]] && timeout 60 docker -H "$(socket_of "$h")" version >/dev/null 2>&1; then
            return
        fi
        if ((i > 50)) && ! host_pid "$h" >/dev/null; then break; fi
        sleep 0.1
    done
    tail -n 5 "$DIR/logs/$h-boot.log" "$DIR/hosts/$h/disk/var/log/dockerd.log" >&2 || true
    say "$h: docker does not answer"
    return 1
}

wait_ssh() { # HOST, unless it is cut from us
    local h=$1 i
    if is_cut "$h"; then return; fi
    for ((i = 0; i < 100; i++)); do
        if timeout 2 bash -c "exec 3<>/dev/tcp/$(ip_of "$h")/22" 2>/dev/null; then return; fi
        sleep 0.1
    done
    say "$h: sshd does not answer"
    return 1
}

power_off() { # HOST...: all processes at once, as when the power fails
    local h pid
    for h; do
        # With its first process a PID namespace dies.
        if pid=$(host_pid "$h"); then kill -KILL "$pid"; fi
        # The cable now, not when the kernel has tidied up.
        line_cut "$h"
        cgroup_thaw "/$h"
    done
    for h; do
        if pid=$(host_pid "$h"); then wait_gone "$pid"; fi
        # shellcheck disable=SC2046
        end_pids $(cgroup_pids "/$h")
        rm -f "$DIR/hosts/$h/pid" "$DIR/hosts/$h/docker.sock"
        cgroup_remove "/$h"
    done
}

# ------------------------------------------------------------ inside of a host

in_host() { # HOST CMD...: in all its namespaces and cgroups
    local h=$1 pid
    shift
    pid=$(host_pid "$h") || die "$h is off; run: $SELF start $h"
    nsenter -t "$pid" --mount --uts --ipc --net --pid --cgroup -- \
        env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" /etc/playground/enter "$@"
}

dockerd_pid() { # HOST: the daemon's pid within the host
    # shellcheck disable=SC2016
    in_host "$1" bash -c 'p=$(cat /run/docker.pid) && [[ -d /proc/$p ]] && echo "$p"' 2>/dev/null
}

empty_host() { # HOST: of containers, networks, volumes, swarm membership
    local h=$1 pid
    pid=$(host_pid "$h")
    if [[ -e /proc/$pid/root/var/lib/docker/swarm/docker-state.json ]]; then
        leave_swarm "$h"
    fi
    /usr/bin/python3 "$HERE/lib/empty.py" "$DIR/hosts/$h/docker.sock" >"$DIR/logs/$h-reset.log" 2>&1
}
