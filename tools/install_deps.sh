#!/bin/sh
# Installs the Debian packages that are missing. build: to build and run; test: to test as well.
set -eu

build="g++ cmake ninja-build ccache mold pkg-config libfmt-dev libsimdjson-dev nlohmann-json3-dev
libcli11-dev libexpected-dev libhwy-dev libpcre2-dev libutf8proc-dev
python3"
test="libgtest-dev libgmock-dev clang-format chromium"
fuzz="clang libclang-rt-14-dev"
lint="clang-tidy"
bench="libbenchmark-dev"

wanted=""
for set in "$@"; do
  case "$set" in
    build) wanted="$wanted $build" ;;
    test) wanted="$wanted $test" ;;
    fuzz) wanted="$wanted $fuzz" ;;
    lint) wanted="$wanted $lint" ;;
    bench) wanted="$wanted $bench" ;;
    *) echo "install_deps.sh: expected build, test, fuzz, lint or bench, found $set" >&2; exit 2 ;;
  esac
done

missing=""
for package in $wanted; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

sudo=""
if [ "$(id -u)" -ne 0 ]; then
  sudo=$(command -v sudo || true)
  if [ -z "$sudo" ]; then
    echo "install_deps.sh: please install as root:$missing" >&2
    exit 2
  fi
fi
echo "installing$missing"
$sudo apt-get update -qq
# shellcheck disable=SC2086  # a list of words
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing \
  >/dev/null
