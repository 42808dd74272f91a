#!/usr/bin/env bash
# Copies the images of source.py every way with Skopeo 1.9.3, saves one with Podman 4.3.1, and packs what they write:
# `make.sh` in this directory. Podman also imports a tar and pushes a list, and `skopeo sync` copies from docker-registry
# 2.8.2 to directories, which are packed as sync.tar.gz and sync-scoped.tar.gz. table.txt has a line for each image, with
# what Skopeo says of it:
#
#     NAME ROOT CONFIG LAYERS    the digests of the root and the config, and of the layers as the manifest states them,
#                                or `-`; a docker-archive has none but the config's, so ROOT is `-`
#     NAME refused               Skopeo refuses the copy
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -f ./*.tar.gz table.txt
python3 source.py "$work/source"

skopeo() { command skopeo --insecure-policy --tmpdir "$work" "$@"; }
podman() { command podman --root "$work/podman" --runroot "$work/run" --storage-driver vfs --events-backend none --cgroup-manager cgroupfs "$@"; }

{
    skopeo --version | sed 's/^/# /'
    podman --version | sed 's/^/# /'
} >table.txt

pack() { # name, what was written
    if [ -d "$2" ]; then
        tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX -cf - -C "$2" . | gzip -9n >"$1.tar.gz"
    else
        gzip -9nc "$2" >"$1.tar.gz"
    fi
}
describe() { # name, location
    local raw root
    raw=$(skopeo inspect --raw "$2"; echo .)
    raw=${raw%.}
    root=sha256:$(printf %s "$raw" | sha256sum | cut -d' ' -f1)
    case $2 in docker-archive:*) root=- ;; esac
    printf '%s %s %s\n' "$1" "$root" "$(printf %s "$raw" | jq -r '[.config.digest // "-"] + [.layers[]?.digest] | join(" ")')" >>table.txt
}
copy() { # name, source, transport, suffix of the destination, options
    local out=$work/$1
    if skopeo copy --quiet "${@:5}" "dir:$work/source/$2" "$3:$out$4" >/dev/null 2>&1; then
        describe "$1" "$3:$out"
        pack "$1" "$out"
    else
        echo "$1 refused" >>table.txt
    fi
}

for source in oci docker list artifact; do
    all=()
    [ "$source" != list ] || all=(--all)
    for transport in dir oci oci-archive docker-archive; do
        name=$source-to-$transport suffix=:v1
        case $transport in dir) suffix= ;; docker-archive) suffix=:docker.io/library/h:1 ;; esac
        if [ "$transport" = docker-archive ]; then copy "$name" "$source" "$transport" "$suffix"; else copy "$name" "$source" "$transport" "$suffix" "${all[@]}"; fi
        copy "$name-preserve" "$source" "$transport" "$suffix" --preserve-digests "${all[@]}"
        for format in oci v2s2; do copy "$name-$format" "$source" "$transport" "$suffix" --format "$format" "${all[@]}"; done
    done
done

skopeo copy --quiet "dir:$work/source/docker" "docker-archive:$work/in:docker.io/library/p:1" >/dev/null
podman load --quiet --input "$work/in" >/dev/null
for format in docker-archive oci-archive docker-dir oci-dir; do
    podman save --quiet --format "$format" --output "$work/podman-$format" docker.io/library/p:1 >/dev/null
    transport=${format/docker-dir/dir}
    describe "podman-$format" "${transport/oci-dir/oci}:$work/podman-$format"
    pack "podman-$format" "$work/podman-$format"
done

save() { # name, location
    describe "$1" "$2"
    pack "$1" "$work/$1"
}
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$work/import.tar" -C "$work/source" artifact
podman import --quiet --change 'CMD ["/bin/app"]' --change 'ENV A=1' --message imported "$work/import.tar" docker.io/library/i:1 >/dev/null
podman save --quiet --format docker-archive --output "$work/import-to-docker-archive" docker.io/library/i:1 >/dev/null
save import-to-docker-archive "docker-archive:$work/import-to-docker-archive"
podman save --quiet --format oci-archive --output "$work/import-to-oci-archive" docker.io/library/i:1 >/dev/null
save import-to-oci-archive "oci-archive:$work/import-to-oci-archive"

skopeo copy --quiet --all "dir:$work/source/list" "oci:$work/layout:v1" >/dev/null
podman manifest create golden >/dev/null
podman manifest add --all golden "oci:$work/layout:v1" >/dev/null 2>&1
for transport in dir oci oci-archive; do
    name=manifest-to-$transport suffix=:v1
    [ "$transport" != dir ] || suffix=
    podman manifest push --quiet --all --format oci golden "$transport:$work/$name$suffix" >/dev/null
    save "$name" "$transport:$work/$name"
done
podman manifest push --quiet --all --format v2s2 golden "dir:$work/manifest-to-dir-v2s2" >/dev/null
save manifest-to-dir-v2s2 "dir:$work/manifest-to-dir-v2s2"

registry=127.0.0.1:5055
printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "%s"}\n' "$work/registry" "$registry" >"$work/registry.yml"
docker-registry serve "$work/registry.yml" >/dev/null 2>&1 &
server=$!
trap 'kill "$server"; rm -rf "$work"' EXIT
until curl --silent --fail --output /dev/null "http://$registry/v2/"; do sleep 0.1; done
push() { skopeo copy --quiet --all --preserve-digests --dest-tls-verify=false "dir:$work/source/$1" "docker://$registry/$2" >/dev/null; }
push oci lib/one:1.0
push docker lib/one:1.1
push list two:latest
printf '%s:\n  tls-verify: false\n  images:\n    lib/one: []\n    two: [latest]\n' "$registry" >"$work/set.yml"
skopeo sync --all --src yaml --dest dir "$work/set.yml" "$work/sync" >/dev/null 2>&1
pack sync "$work/sync"
skopeo sync --all --scoped --src yaml --dest dir "$work/set.yml" "$work/sync-scoped" >/dev/null 2>&1
pack sync-scoped "$work/sync-scoped"

sort -o "$work/sorted" <(grep -v '^#' table.txt)
{ grep '^#' table.txt; cat "$work/sorted"; } >"$work/table"
cp "$work/table" table.txt
