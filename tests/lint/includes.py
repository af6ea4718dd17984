#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A folder of src/ includes only itself and the folders above it in ORDER, and a library only where it belongs."""
import re

import lint

ORDER = ["base", "config", "discovery", "topology", "policy", "server", ""]  # "": the files directly in src/
LIBRARIES = [  # what is included, where it may be, and the kind of file
    (r"toml\+\+/", "src/config/", ".h .cpp"),
    (r"boost/", "src/topology/", ".cpp"),
    (r"(grpcpp|grpc|google/protobuf)/|.*\.pb\.h$", "src/server/", ".h .cpp"),
    (r"prometheus/", "src/server/", ".h .cpp"),
    (r"(CivetServer|civetweb)\.h$", "src/server/", ".h .cpp"),
]
# Policy does no I/O, takes no lock and reads no clock: the same facts make the same plan.
NOT_IN_POLICY = {"chrono", "ctime", "fstream", "iostream", "mutex", "shared_mutex", "thread", "base/mutex.h", "base/host_root.h"}
INCLUDE = re.compile(r'\s*#\s*include\s*(["<])([^">]+)[">]')


def check(root):
    for path in lint.files(root):
        if path.parts[0] != "src" or path.suffix not in (".h", ".cpp"):
            continue
        folder = path.parts[1] if len(path.parts) > 2 else ""
        if folder not in ORDER:
            yield path, 1, f"src/{folder} has no place in the order {ORDER[:-1]}"
            continue
        for number, text in lint.lines(root, path):
            match = INCLUDE.match(text)
            if not match:
                continue
            quote, name = match.groups()
            for pattern, place, kinds in LIBRARIES:
                if re.match(pattern, name) and not (str(path).startswith(place) and path.suffix in kinds.split()):
                    yield path, number, f"{name} may only be included in {place}*{{{kinds.replace(' ', ',')}}}"
            if folder == "policy" and name in NOT_IN_POLICY:
                yield path, number, f"{name}: src/policy does no I/O, takes no lock and reads no clock"
            if quote == "<":
                continue
            top = name.split("/")[0] if "/" in name else ""
            if top == "" and folder != "":
                yield path, number, f'"{name}": write the path from src/'
            elif top in ORDER and ORDER.index(top) > ORDER.index(folder):
                yield path, number, f"src/{folder} must not include src/{top or '*'}, which is below it"


BAD = {
    "a folder below": ({"src/base/a.h": '\n#include "config/b.h"\n'}, ["src/base/a.h:2"]),
    "policy and server": ({"src/policy/p.cpp": '#include "base/a.h"\n  #  include "server/s.h"\n'}, ["src/policy/p.cpp:2"]),
    "policy and the clock": ({"src/policy/p.cpp": "#include <chrono>\n#include <string>\n"}, ["src/policy/p.cpp:1"]),
    "policy and I/O": ({"src/policy/p.h": "#include <string>\n#include <fstream>\n#include <iostream>\n"}, ["src/policy/p.h:2", "src/policy/p.h:3"]),
    "policy and locks": ({"src/policy/p.cpp": '#include "base/mutex.h"\n'}, ["src/policy/p.cpp:1"]),
    "main's own": ({"src/server/s.cpp": '#include "daemon.h"\n'}, ["src/server/s.cpp:1"]),
    "toml++": ({"src/policy/p.cpp": "#include <toml++/toml.h>\n"}, ["src/policy/p.cpp:1"]),
    "Boost in a header": ({"src/topology/t.h": "#include <boost/graph/adjacency_list.hpp>\n"}, ["src/topology/t.h:1"]),
    "Boost elsewhere": ({"src/policy/t.cpp": "#include <boost/range.hpp>\n"}, ["src/policy/t.cpp:1"]),
    "gRPC": ({"src/main.cpp": "#include <grpcpp/grpcpp.h>\n"}, ["src/main.cpp:1"]),
    "a generated header": ({"src/policy/p.h": '#include "x/deviceplugin.pb.h"\n'}, ["src/policy/p.h:1"]),
    "Prometheus": ({"src/main.cpp": "#include <prometheus/registry.h>\n"}, ["src/main.cpp:1"]),
    "CivetWeb": ({"src/daemon.h": "#include <CivetServer.h>\n"}, ["src/daemon.h:1"]),
    "an unknown folder": ({"src/common/junk.h": "\n"}, ["src/common/junk.h:1"]),
}
GOOD = {
    "src/base/a.h": "#include <string>\n",
    "src/config/c.cpp": '#include "config/c.h"\n#include <toml++/toml.h>\n#include "base/a.h"\n',
    "src/topology/t.cpp": '#include <boost/graph/graph_traits.hpp>\n#include "discovery/inventory.h"\n#include "absl/status/status.h"\n',
    "src/server/s.cpp": '#include <grpcpp/grpcpp.h>\n#include "policy/plan.h"\n#include "server/x.grpc.pb.h"\n',
    "src/main.cpp": '#include "daemon.h"\n#include "server/s.h"\n',
    "tests/base/a_test.cpp": '#include "server/s.h"\n',
}

if __name__ == "__main__":
    lint.main(check, BAD, GOOD)
