# For the image tests, which source it: build a target of the real Dockerfile, and what must hold at run time. With a
# Docker engine it uses that (and the default base images); as root without one it uses buildah and podman on a stand-in
# base made by debootstrap. To be set before: tag and target; base_argument, what the Dockerfile calls the target's base.

python=${PYTHON:-.venv/bin/python}
base=${BASE_IMAGE:-$(sed -n "s/^ARG $base_argument=//p" Dockerfile)}
start=$SECONDS
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gtvseg
work=$(mktemp -d)

say() { printf 'image-test: %s\n' "$*"; }
fail() { printf 'image-test: FAILED: %s\n' "$*" >&2; exit 1; }
clean() {
  [ -z "${server:-}" ] || "${engine[@]}" rm --force "$server" >/dev/null 2>&1 || true
  rm -rf "$work" 2>/dev/null || say "left behind, as it belongs to the container's users: $work"
}
trap clean EXIT

# Everything that must hold at run time; the same words for docker and podman.
limits=(--network none --cap-drop ALL --security-opt no-new-privileges --read-only --tmpfs /tmp
  --memory 8g --pids-limit 256 --shm-size 64m)

build_with_docker() {
  engine=(docker)
  docker build --platform linux/amd64 --target $target --build-arg $base_argument="$base" --tag $tag .
}

build_with_buildah() {
  engine=(podman --runtime runc --cgroup-manager cgroupfs --storage-driver vfs)
  limits+=(--ulimit nofile=1024:1024 --ulimit nproc=4096:4096)
  install_tools
  [ -s "$cache/base-bookworm.tar" ] || make_stand_in
  base=localhost/$tag-base
  "${engine[@]}" rmi --force $tag $base >/dev/null 2>&1 || true
  "${engine[@]}" import "$cache/base-bookworm.tar" $base >/dev/null 2>&1 || fail "importing $cache/base-bookworm.tar"

  # The build uses this machine's own pip settings; local folders that they name are mounted, nothing is copied.
  local mounts=(-v "$work/pip.conf:/etc/pip.conf:ro" -v "$work/constraints.txt:/etc/pip-constraints.txt:ro") path
  "$python" test/image/pip_settings.py "$work/pip.conf" >"$work/paths"
  while read -r path; do mounts+=(-v "$path:$path:ro"); done <"$work/paths"
  grep '^torch==' requirements-dev.txt >"$work/constraints.txt"
  buildah --storage-driver vfs bud --isolation chroot --network host --layers=false "${mounts[@]}" \
    --build-arg BASE_IMAGE=$base --build-arg EVALUATION_BASE_IMAGE=$base --target $target --tag $tag . \
    >"$work/build.log" 2>&1 \
    || { tail -20 "$work/build.log"; fail "the build"; }
}

install_tools() {
  local tool
  for tool in podman buildah runc debootstrap; do
    command -v $tool >/dev/null && continue
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || fail "no Docker engine, and $tool cannot be installed"
    say "installing podman, buildah, runc, debootstrap"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      podman buildah runc debootstrap debian-archive-keyring >/dev/null || fail "apt-get install"
    return
  done
}

# From the mirror and through the proxy that apt uses on this machine, else from debootstrap's default mirror.
make_stand_in() {
  local mirror tar=$cache/base-bookworm.tar Proxy=
  say "making the stand-in base image"
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' 2>/dev/null | sed -n 1p || true)
  eval "$(apt-config shell Proxy Acquire::http::Proxy 2>/dev/null || true)"
  [ -z "$Proxy" ] || export http_proxy=${http_proxy:-$Proxy}
  debootstrap --variant=minbase --include=python3,python3-pip,python3-venv,ca-certificates bookworm "$work/base" \
    ${mirror:+"$mirror"} >"$work/debootstrap.log" 2>&1 || { tail -5 "$work/debootstrap.log"; fail "debootstrap"; }
  rm -rf "$work"/base/var/cache/apt/archives/*.deb "$work"/base/var/lib/apt/lists/*
  mkdir -p "$cache"
  tar -C "$work/base" -cf "$tar.part" . && mv "$tar.part" "$tar"
  rm -rf "$work/base"
}

# A machine without these cgroups refuses the container: then the test goes on without, and says so.
probe_limits() {
  "${engine[@]}" run --rm "${limits[@]}" --entrypoint true "$base" >"$work/probe" 2>&1 && return
  local kept=() i
  for ((i = 0; i < ${#limits[@]}; i++)); do
    case ${limits[i]} in --memory | --pids-limit) i=$((i + 1)) ;; *) kept+=("${limits[i]}") ;; esac
  done
  limits=("${kept[@]}")
  "${engine[@]}" run --rm "${limits[@]}" --entrypoint true "$base" >"$work/probe2" 2>&1 \
    || { cat "$work/probe" "$work/probe2"; fail "no container starts"; }
  say "WARNING: this machine cannot enforce --memory and --pids-limit, tested without them: $(tail -1 "$work/probe")"
}

build() {
  if docker info >/dev/null 2>&1; then
    say "building with Docker"
    build_with_docker
  else
    [ "$(id -u)" = 0 ] || fail "no Docker engine, and buildah and podman need root here; start Docker or run as root"
    say "no Docker engine: building with buildah"
    build_with_buildah
  fi
  bytes=$("${engine[@]}" image inspect --format '{{.Size}}' $tag)
  say "built in $((SECONDS - start)) s, $((bytes / 1000000)) MB without compression"
  [ "$bytes" -lt 10000000000 ] || fail "the platform takes no image of 10 GB"
  probe_limits
}

# Until the server of this name answers; stdlib alone, as the image has.
wait_for_health() {
  local ask='import time, urllib.request
for second in range(60):
    try:
        print("  GET /health", urllib.request.urlopen("http://localhost:4743/health").status)
        break
    except OSError:
        time.sleep(1)
else:
    raise SystemExit("no answer in 60 s")'
  "${engine[@]}" exec "$1" python3 -c "$ask" || { "${engine[@]}" logs "$1"; fail "GET /health"; }
}

# One request for work, to the server of this name.
post_invoke() {
  local ask='import urllib.request
print("  POST /invoke", urllib.request.urlopen("http://localhost:4743/invoke", b"", timeout=300).status)'
  "${engine[@]}" exec "$1" python3 -c "$ask" >"$work/invoked" || { "${engine[@]}" logs "$1"; fail "POST /invoke"; }
  cat "$work/invoked"
  grep -q 201 "$work/invoked" || fail "the platform expects 201"
}
