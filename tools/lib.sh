# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tools share. Sourced, with the repository as the working directory afterwards.

cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n==> %s\n' "$*"; }

die() {
    printf '\nerror: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

# Whether dotted version $1 is at least $2.
at_least() { [[ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" == "$2" ]]; }

# Where the tests of the rooms below gRPC are built.
core=.build-core

# The directory of the compiled products, also before the first build.
products() { printf '.build/%s/release' "$(clang -print-target-triple)"; }
