#!/usr/bin/env python3
"""Records how skopeo reads image names: record.py > skopeo.jsonl

One JSON array per line: the name, then the full name that skopeo asks the registry for (with ":latest" where
the name has neither tag nor digest), or null and its message. skopeo runs in a network namespace of its own,
so that it reads the name and gets no further; that needs root, or user namespaces. The names are the same in
every run.
"""

import json
import os
import random
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

COUNT = 6000
HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
SHA256, SHA512 = "@sha256:" + HEX, "@sha512:" + HEX * 2

HOSTS = ["quay.io", "docker.io", "index.docker.io", "localhost", "localhost:5000", "registry.k8s.io", "a.b.c:443",
         "127.0.0.1", "127.0.0.1:80", "xn--bcher-kva.example", "h:1", "A.example", "Docker.io", "HOST", "host",
         "a-b.c--d", "[::1]", "[::1]:5000", "[fe80::1%eth0]", "h:0", "h:65535", "h:65536", "h:00080", "-a.b",
         "a-.b", "a_b.c", "a..b", ".a", "a.", "h:", "h:x", ":80", "user@quay.io", "docker.io:443", "é.example"]
COMPONENTS = ["a", "library", "alpine", "a.b", "a_b", "a__b", "a-b", "a---b", "0", "9z", "localhost", "quay.io",
              "docker.io", HEX, HEX[:63], HEX.upper(), "A", "aB", "a___b", "a..b", "a._b", "-a", "a-", "_a", "a_",
              ".", "..", "", "a b", "a%2fb", "a+b", "a~b", "é"]
TAILS = ["", ":1", ":latest", ":A.b-C_d", ":_", ":.", ":-a", ":a:b", ":", ":a/b", ": a", ":é", ":" + "t" * 128,
         ":" + "t" * 129, SHA256, SHA512, ":1" + SHA256, SHA256 + ":1", "@", "@sha256", "@sha256:", SHA256[:-1],
         SHA256 + "0", SHA256.upper(), "@" + HEX, "@sha384:" + HEX + HEX[:32], "@md5:" + HEX[:32], "@x:y",
         "@sha256:" + HEX.upper(), "@sha256:" + "g" * 64, "@a+b:" + HEX, SHA256 + SHA256, "@sha256+b64u:A-_="]
BYTES = "abzAZ019._-:/@[]+ %?#\\\t\né"


def names():
    """The seeds, then random names: put together from the parts above, and good names with one change."""
    yield from ["", " ", "/", "a/", HEX, HEX + ":1", HEX + SHA256, "https://quay.io/a", "docker://a", "a" * 237,
                "a" * 238, "a/" + "b" * 243, "a/" + "b" * 244, "quay.io/" + "a" * 247, "quay.io/" + "a" * 248,
                "quay.io/" + "a" * 255, "quay.io/" + "a" * 256, "h" * 252 + ".i/a", "h" * 253 + ".i/a",
                "sha256:" + HEX, "a" * 247, "a" * 248]
    for component in COMPONENTS:
        yield component
        for tail in TAILS:
            yield component + tail
        for host in HOSTS:
            yield f"{host}/{component}"
    for host in HOSTS:
        yield host
        for tail in TAILS:
            yield f"{host}/a{tail}"
            yield f"{host}/a/b{tail}"
    choose = random.Random(1)
    good = ["alpine", "quay.io/a/b:c", "localhost:5000/a_b/c-d", "a.b/c__d:1.2-3", "h:1/a" + SHA256, "docker.io/a:b"]
    while True:
        if choose.random() < 0.5:
            parts = [choose.choice(HOSTS[:14])] if choose.random() < 0.6 else []
            parts += choose.choices(COMPONENTS[:12], k=choose.randint(1, 3))
            yield "/".join(parts) + choose.choice(TAILS[:5] if choose.random() < 0.7 else TAILS)
        else:
            name = choose.choice(good)
            at = choose.randrange(len(name) + 1)
            yield name[:at] + choose.choice(["", *BYTES]) + name[at + choose.randint(0, 1):]


def read(name, directory):
    command = ["unshare", "--net", "skopeo", "--debug", "--registries.d", directory, "inspect", "--raw",
               "--no-creds", "docker://" + name]
    environment = {"PATH": os.environ["PATH"], "HOME": directory,
                   "CONTAINERS_REGISTRIES_CONF": os.path.join(directory, "registries.conf")}
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stderr
    messages = re.findall(r'msg=("(?:[^"\\]|\\.)*")', output)
    for message in map(json.loads, messages):
        if found := re.fullmatch(r'Trying to access "(.*)"', message):
            return [name, found[1]]
    refused = json.loads(messages[-1])
    return [name, None, refused.rsplit('": ', 1)[-1]]


def main():
    unique = {}
    for name in names():
        unique[name] = None
        if len(unique) == COUNT:
            break
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(4) as pool:
        open(os.path.join(directory, "registries.conf"), "w", encoding="utf-8").close()
        for line in pool.map(lambda name: read(name, directory), unique):
            json.dump(line, sys.stdout, ensure_ascii=True, separators=(",", ":"))
            print()


main()
