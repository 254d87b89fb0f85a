# shellcheck shell=bash disable=SC2153
# Engines of other versions than the machine's own: packages of later Debian
# releases, unpacked beside the machine's and mounted into a host at /opt/engine.
# They are kept between playgrounds, as they take seconds to fetch.
# hosts/hN/engine holds "VERSION [DIRECTORY]".

ENGINES=${PLAYGROUND_ENGINES:-$REPO/target/engines}

engine_dir_of() { # HOST: nothing if it is the machine's own
    local version dir
    read -r version dir <"$DIR/hosts/$1/engine"
    : "$version"
    echo "$dir"
}
engine_version_of() { cut -d' ' -f1 "$DIR/hosts/$1/engine"; } # HOST
version_of() { "$1" --version | sed 's/^Docker version \([0-9.]*\).*/\1/'; } # PROGRAM

release_with() { # VERSION or RELEASE: the Debian release whose docker.io it is
    case $1 in
    20.10 | 20.10.*) echo bookworm ;;
    26.1 | 26.1.*) echo trixie ;;
    [0-9]*) echo sid ;;
    *) echo "$1" ;;
    esac
}

engine() { # VERSION, RELEASE or "own": prints "VERSION [DIRECTORY]"; fetches what is missing
    local want=$1 own release dir version
    own=$(version_of dockerd)
    if [[ $want == own || $own == "$want" || $own == "$want".* ]]; then echo "$own"; return; fi
    release=$(release_with "$want")
    dir=$ENGINES/$release
    fetch_engine "$release" "$dir" || die "docker of Debian $release cannot be had; see $ENGINES/$release.log"
    version=$(version_of "$dir/usr/sbin/dockerd")
    [[ $want == "$release" || $version == "$want" || $version == "$want".* ]] ||
        die "Debian $release has docker $version and not $want; say so, or --engine $release"
    echo "$version $dir"
}

fetch_engine() { # RELEASE DIRECTORY
    local program needs new
    mkdir -p "$ENGINES"
    exec 6>"$ENGINES/lock" # several playgrounds may want it at once
    flock 6
    if [[ ! -e $2/usr/sbin/dockerd ]]; then
        new=$ENGINES/.new
        rm -rf "$new" "$2" # one that was killed leaves a part
        say "fetching docker of Debian $1"
        "$REPO/tests/packages" unpack "$1" "$new" docker.io containerd runc tini >"$ENGINES/$1.log" 2>&1 6>&- || return
        # A program that needs a newer C library than this machine's gives way to the machine's own.
        for program in "$new"/usr/{bin,sbin}/*; do
            # In a variable: a pipe that ends early would count as a failure of ldd.
            needs=$(ldd "$program" 2>&1 || true)
            if [[ -L $program || $needs != *"not found"* ]]; then continue; fi
            say "$(basename "$program") of Debian $1 does not run here; the machine's own is taken"
            rm -f "$program"
        done
        [[ -x $new/usr/sbin/dockerd && -x $new/usr/bin/containerd ]] || return
        # Under sudo, the folder belongs to who typed the command.
        if [[ -n ${SUDO_UID:-} ]]; then chown -R "$SUDO_UID:${SUDO_GID:-0}" "$new" "$ENGINES"; fi
        mv "$new" "$2"
    fi
    exec 6>&-
}

engines_of() { # WORD,WORD...: each one's "VERSION [DIRECTORY]", a line each
    local word words
    IFS=, read -ra words <<<"$1"
    for word in "${words[@]}"; do
        [[ $word =~ ^[a-z0-9.]+$ ]] || die "--engine takes versions, as in 20.10,26.1, and not '$1'"
        engine "$word" || return
    done
}
