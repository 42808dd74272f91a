#!/usr/bin/env python3
"""Writes the images that are copied, as directories of Skopeo's dir:, below the directory that is named.

Each is the same each time: an image of OCI's types with a layer that is compressed and one that is not, one of Docker's
types, a list of two platforms, and an artifact.
"""

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile

OCI, DOCKER = "application/vnd.oci.image.", "application/vnd.docker."


def tar(name, content):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()[:2048]


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Directory:
    def __init__(self, path):
        self.path = path
        os.makedirs(path)
        self.write("version", b"Directory Transport Version: 1.1\n")

    def write(self, name, data):
        with open(os.path.join(self.path, name), "wb") as file:
            file.write(data)

    def blob(self, media_type, data):
        self.write(digest(data)[7:], data)
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    def image(self, architecture, types, layers):
        created = "2024-02-29T23:59:59.12Z"
        config = {
            "architecture": architecture,
            "os": "linux",
            "created": created,
            "author": "<a & b>",
            "config": {
                "Cmd": ["/a"],
                "Labels": {"z": "1", "a": "2"},
                "Healthcheck": {"Test": ["NONE"]},
                "OnBuild": ["RUN x"],
                "Hostname": "h",
            },
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer, _ in layers]},
            "history": [{"created": created, "created_by": "x"} for _ in layers],
        }
        docker = types == DOCKER
        manifest = {
            "schemaVersion": 2,
            "mediaType": types + ("distribution.manifest.v2+json" if docker else "manifest.v1+json"),
            "config": self.blob(types + ("container.image.v1+json" if docker else "config.v1+json"), compact(config)),
            "layers": [],
        }
        for layer, compress in layers:
            data = gzip.compress(layer, mtime=0) if compress else layer
            kind = "image.rootfs.diff.tar" if docker else "layer.v1.tar"
            kind += ("." if docker else "+") + "gzip" if compress else ""
            manifest["layers"].append(self.blob(types + kind, data))
        if not docker:
            manifest["annotations"] = {"org.example": "value"}
        return compact(manifest)


def compact(document):
    return json.dumps(document, separators=(",", ":")).encode()


def main(to):
    both = [(tar("etc/one", b"one\n"), True), (tar("etc/two", b"two\n"), False)]
    for name, types in (("oci", OCI), ("docker", DOCKER)):
        directory = Directory(os.path.join(to, name))
        directory.write("manifest.json", directory.image("amd64", types, both))

    directory = Directory(os.path.join(to, "list"))
    entries = []
    for architecture in ("amd64", "arm64"):
        manifest = directory.image(architecture, OCI, [(tar("arch", architecture.encode()), True)])
        directory.write(digest(manifest)[7:] + ".manifest.json", manifest)
        entries.append(
            {
                "mediaType": OCI + "manifest.v1+json",
                "digest": digest(manifest),
                "size": len(manifest),
                "platform": {"architecture": architecture, "os": "linux"},
            }
        )
    index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": entries}
    directory.write("manifest.json", compact(index))

    directory = Directory(os.path.join(to, "artifact"))
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI + "manifest.v1+json",
        "artifactType": "application/x-chart",
        "config": directory.blob("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [directory.blob("application/x-chart", b"a chart")],
    }
    directory.write("manifest.json", compact(manifest))


main(sys.argv[1])
