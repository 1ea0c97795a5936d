#!/usr/bin/env bash
# Proves the Dockerfile on a machine where no Docker engine runs: makes a base, builds the image by buildah, and works inside.
#
#   sudo tests/container/build.sh
#
# What it makes lies below one new folder of TMPDIR (/tmp), and is removed: 30 GB of disk, with DRIVER=vfs more.
#
#   BASE           an image to begin with, instead of a Debian by debootstrap
#   MIRROR         where debootstrap gets Debian from
#   BUILD_OPTIONS  more options of `buildah build`, such as -v /etc/ssl/certs:/etc/ssl/certs:ro behind a proxy with
#                  certificates of its own, or -v FILE:/etc/pip.conf:ro and -v FILE:/etc/uv/uv.toml:ro for another index
#   DRIVER         overlay, or vfs, which works everywhere and copies every layer whole
set -euo pipefail
cd "$(dirname "$0")/../.."

say() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }
fail() {
    echo "build.sh: $1" >&2
    exit "${2:-1}"
}

[ "$(id -u)" = 0 ] || fail "it mounts and changes roots, which user $(id -un) may not; run it as root, by sudo" 2
missing=$(for tool in buildah:buildah debootstrap:debootstrap unshare:util-linux setpriv:util-linux ip:iproute2 \
    make:make python3:python3; do command -v "${tool%%:*}" >/dev/null || echo "${tool##*:}"; done | sort -u | tr '\n' ' ')
[ -z "$missing" ] || fail "tools are missing; install them by: apt-get install --no-install-recommends $missing" 2

work=$(mktemp -d "${TMPDIR:-/tmp}/summer-container.XXXXXX")
chmod 755 "$work"
export TMPDIR=$work/tmp STORAGE_DRIVER=${DRIVER:-overlay}
mkdir -p "$TMPDIR" "$work/root" "$work/data" "$work/runs"
boxed() { buildah --root "$work/storage" --runroot "$work/runroot" "$@"; }
clean() {
    boxed rm --all >/dev/null 2>&1 || true
    umount --recursive "$work/storage/overlay" 2>/dev/null || true
    rm -rf "$work"
}
trap clean EXIT

if [ -z "${BASE:-}" ]; then
    BASE=localhost/summer-base
    say "a base: Debian's smallest, Python and certificates, by debootstrap"
    box=$(boxed from scratch)
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv bookworm "$(boxed mount "$box")" \
        "${MIRROR:-http://deb.debian.org/debian}" >"$work/debootstrap.log" || fail "$(tail -5 "$work/debootstrap.log")"
    boxed umount "$box" >/dev/null
    boxed commit --quiet --rm "$box" "$BASE" >/dev/null
fi

say "the image, from $BASE, with the weights of the demo"
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
build() {
    # shellcheck disable=SC2086 # several words
    boxed build --isolation chroot --format docker --layers --build-arg BASE="$BASE" \
        --build-arg WEIGHTS="--recipe demo" --build-arg REVISION="$revision" \
        ${BUILD_OPTIONS:-} "$@" . >"$work/build.log" 2>&1 || fail "$(tail -30 "$work/build.log")"
}
build --tag summer-serve --target serve
build --tag summer
boxed images --format '{{.Name}} {{.Size}}'

# What an engine would read of the image: user, environment, folder, command.
of_image() { boxed inspect --type image "$1" | python3 -c "
import json, sys
config = json.load(sys.stdin)['Docker']['config']
print(*$2, sep='\n')"; }
mapfile -t environment < <(of_image summer "config['Env']")
user=$(of_image summer "[config['User']]")
folder=$(of_image summer "[config['WorkingDir']]")
mapfile -t volumes < <(of_image summer "sorted(config['Volumes'])")
mapfile -t health < <(of_image summer-serve "config['Healthcheck']['Test'][1:]")
mapfile -t serving < <(of_image summer-serve "config['Cmd']")
chown "$user" "$work/data" "$work/runs"
labels=$(of_image summer "[config['Labels']['org.opencontainers.image.' + name] for name in ('revision', 'version', 'base.name')]")
expected=$(printf '%s\n' "$revision" "$(sed -n 's/^version = //p' setup.cfg)" "$BASE")
[ "$labels" = "$expected" ] || fail "the labels of the image say $labels; it was made of $expected"

box=$(boxed from --pull-never summer)
image=$(boxed mount "$box")

# inside USER COMMAND...: as `docker run --read-only --network none --cap-drop ALL --user USER` does it, the volumes mounted.
inside() {
    local as=$1
    shift
    # shellcheck disable=SC2016 # the inner shell's
    unshare --mount --net --pid --ipc --uts --fork --kill-child bash -euo pipefail -c '
        work=$1 image=$2 as=$3 folder=$4 volumes=$5 count=$6
        shift 6
        root=$work/root
        mount --bind "$image" "$root"
        mount -o remount,bind,ro "$root"
        mount -t proc proc "$root/proc"
        mount -t sysfs -o ro sysfs "$root/sys"
        mount -t tmpfs -o mode=1777,size=4g,noexec,nosuid,nodev tmpfs "$root/tmp"
        mount -t tmpfs -o mode=755 tmpfs "$root/dev"
        for device in null zero full random urandom; do
            touch "$root/dev/$device"
            mount --bind "/dev/$device" "$root/dev/$device"
        done
        ln -s /proc/self/fd "$root/dev/fd"
        mkdir "$root/dev/shm"
        mount -t tmpfs -o mode=1777,size=64m,nosuid,nodev tmpfs "$root/dev/shm"
        for volume in $volumes; do mount --bind "$work/${volume##*/}" "$root$volume"; done
        ip link set lo up
        exec chroot "$root" setpriv --reuid "${as%:*}" --regid "${as#*:}" --clear-groups --no-new-privs \
            --bounding-set=-all --inh-caps=-all env -i --chdir="$folder" "${@:1:count}" "${@:count+1}"' \
        inside "$work" "$image" "$as" "$folder" "${volumes[*]}" "${#environment[@]}" "${environment[@]}" "$@"
}

say "who works there, and what it can reach"
[ "${user%%:*}" -gt 0 ] || fail "the image's user is $user, root; give it a USER"
# shellcheck disable=SC2016
inside "$user" sh -euc '
    test "$(id -u):$(id -g)" = "$1"
    for place in / /opt/summer /summer /weights /etc; do
        if touch "$place/written" 2>/dev/null; then exit 1; fi
    done
    for place in /tmp /summer/data /summer/runs; do touch "$place/written"; rm "$place/written"; done
    test "$(sed -n "3,\$s/:.*//p" /proc/net/dev | tr -d " ")" = lo
    grep -q "^CapEff:.0000000000000000$" /proc/self/status
    grep -q "^NoNewPrivs:.1$" /proc/self/status' sh "$user"
echo "user $user, no capabilities, the root read-only, no network but itself; written: /tmp ${volumes[*]}"

say "every console script"
for command in $(sed -n '/^console_scripts/,/^$/s/^ *\(summer-[a-z]*\) = .*/\1/p' setup.cfg); do
    inside "$user" "$command" --help >/dev/null || fail "$command does not start"
    echo "$command --help"
done

say "the commands of make demo"
make --dry-run --no-print-directory --old-file=install demo | sed -n 's,^.venv/bin/\(summer-.*\),\1,p' |
    sed 's,data/demo,demo,g' >"$work/demo.txt"
[ "$(wc -l <"$work/demo.txt")" = 4 ] || fail "make demo has other commands than the four known: $(cat "$work/demo.txt")"
while read -ra words; do
    echo "${words[*]}"
    began=$SECONDS
    inside "$user" "${words[@]}" >"$work/demo.log" 2>&1 </dev/null || fail "$(tail -30 "$work/demo.log")"
    echo "    $((SECONDS - began)) s"
done <"$work/demo.txt"
for made in data/stores/demo/{text,audio,video}.h5 runs/demo/results.json runs/demo-talk/conversation.html \
    runs/demo-report.html; do
    [ -s "$work/$made" ] || fail "$made was not made"
    [ "$(stat --format %u "$work/$made")" = "${user%%:*}" ] || fail "$made is not the user's"
done
commit=$(python3 -c "import json, sys; print(json.load(open(sys.argv[1]))['commit'])" "$work/runs/demo/run.json")
[ "$commit" = "$revision" ] || fail "the run says commit $commit, the image was built of $revision"
echo "made: three stores, a run of commit $commit, a predicted conversation, a report"

say "another user id, as --user gives it"
inside 12345:12345 summer-data info data/stores/demo/video.h5 >/dev/null
inside 12345:12345 summer-evaluate runs/demo >/dev/null
inside 12345:12345 summer-predict demo/conversation.mp4 --transcript demo/conversation.vtt --run runs/demo --out /tmp/talk \
    >"$work/other.log" 2>&1 || fail "$(tail -20 "$work/other.log")"
echo "12345 reads stores, runs and the weights of the image"

say "summer-serve, and the health check of the image"
serve=("${serving[@]/#\/summer\/run//summer/runs/demo}")
# shellcheck disable=SC2016
inside "$user" bash -euo pipefail -c '
    count=$1
    shift
    serving=("${@:1:count}") health=("${@:count+1}")
    if "${health[@]}" 2>/dev/null; then echo "healthy before it is there" >&2; exit 1; fi
    "${serving[@]}" &
    for _ in $(seq 100); do
        if "${health[@]}" 2>/dev/null; then break; fi
        kill -0 $!
        sleep 1
    done
    "${health[@]}"
    kill -TERM $!
    wait $! || test $? = 130' sh "${#serve[@]}" "${serve[@]}" "${health[@]}" >"$work/serve.log" 2>&1 ||
    fail "$(tail -20 "$work/serve.log")"
echo "unhealthy before it listens, healthy then, ended by SIGTERM"

say "proved"
