#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""conf/kserve.yaml and conf/Dockerfile, as far as they can be tried without a cluster.

`make check-kserve` runs it: fields and types against tests/kserve.txt, what is said twice against
itself, the arguments against a real tnmd, the image's libraries against what tnmd is linked with.

    tests/kserve.py --crd DIR           also against KServe's own definitions: DIR is config/crd/full
                                        of a checkout of github.com/kserve/kserve; wants jsonschema
    tests/kserve.py --crd DIR --write   writes tests/kserve.txt anew from them
"""
import argparse
import http.client
import os
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.environ.get("TNM_BUILD", os.path.join(ROOT, "build"))
FIELDS = os.path.join(ROOT, "tests", "kserve.txt")
KINDS = {"ServingRuntime": ("serving.kserve.io/v1alpha1", "servingruntimes"),
         "InferenceService": ("serving.kserve.io/v1beta1", "inferenceservices")}
TYPES = {"string": str, "integer": int, "boolean": bool, "object": dict, "array": list}
checks = 0


def expect(good, text):
    global checks
    checks += 1
    if not good:
        sys.exit(f"FAILED: {text}")


def manifest():
    with open(os.path.join(ROOT, "conf", "kserve.yaml"), encoding="utf-8") as file:
        documents = {d["kind"]: d for d in yaml.safe_load_all(file)}
    expect(set(documents) == {*KINDS, "PersistentVolumeClaim", "Job"}, "the four kinds, once each")
    return documents


def walk(value, path=""):
    """Each field of a document with its value: ("spec.containers[].image", "localhost/tnm")."""
    if isinstance(value, dict):
        for key, inner in value.items():
            key = "*" if "/" in key else key  # a name of somebody's own
            yield f"{path}.{key}".lstrip("."), inner
            yield from walk(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield path.lstrip(".") + "[]", inner
            yield from walk(inner, path + "[]")


def has_type(value, name):
    if "|" in name:
        return any(has_type(value, n) for n in name.split("|"))
    return isinstance(value, TYPES[name]) and not (name == "integer" and isinstance(value, bool))


# ---- The fields, as tests/kserve.txt has them ----


def check_fields(documents):
    with open(FIELDS, encoding="utf-8") as file:
        rows = [line.split() for line in file if line.strip() and not line.startswith("#")]
    known = {(kind, path): (types, needed) for kind, path, types, needed in rows}
    for kind, (version, _) in KINDS.items():
        document = documents[kind]
        expect(document["apiVersion"] == version, f"{kind}: {version}")
        for path, value in walk(document["spec"], "spec"):
            expect((kind, path) in known, f"{kind}: {path} is no field of it")
            expect(has_type(value, known[kind, path][0]), f"{kind}: {path}: {value!r}")
            have = value if isinstance(value, dict) else {}
            for name in filter(None, known[kind, path][1].strip("-").split(",")):
                expect(name in have, f"{kind}: {path} wants {name}")


# ---- The same against the definitions themselves ----


def load_definition(folder, kind):
    version, plural = KINDS[kind]
    with open(os.path.join(folder, f"serving.kserve.io_{plural}.yaml"), encoding="utf-8") as file:
        crd = yaml.safe_load(file)
    expect(crd["spec"]["group"] == version.split("/")[0] and crd["spec"]["names"]["kind"] == kind, kind)
    found = [v for v in crd["spec"]["versions"] if v["name"] == version.split("/")[1]]
    expect(len(found) == 1 and found[0]["served"], f"{kind}: {version} is served")
    return found[0]["schema"]["openAPIV3Schema"]


def close(schema):
    """What has properties has no others, unless it says so: a field that the server would drop."""
    if isinstance(schema, dict):
        if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
        if schema.pop("x-kubernetes-int-or-string", False):
            schema.pop("pattern", None)
        for inner in schema.values():
            close(inner)
    elif isinstance(schema, list):
        for inner in schema:
            close(inner)


def field_of(schema, path):
    for step in path.replace("[]", ".[]").split("."):
        if step == "[]":
            schema = schema["items"]
        else:
            schema = schema.get("properties", {}).get(step) or schema.get("additionalProperties")
        expect(schema, f"{path} is no field")
    return schema


def check_definitions(documents, folder, write):
    import jsonschema  # only here: the rest works without

    rows = []
    for kind in KINDS:
        schema = load_definition(folder, kind)
        for path in sorted({p for p, _ in walk(documents[kind]["spec"], "spec")}):
            field = field_of(schema, path)
            types = field.get("type") or "|".join(a["type"] for a in field["anyOf"])
            rows.append(f"{kind} {path} {types} {','.join(field.get('required', [])) or '-'}\n")
        close(schema)
        schema["properties"]["metadata"] = {"type": "object"}
        errors = list(jsonschema.Draft7Validator(schema).iter_errors(documents[kind]))
        expect(not errors, "\n".join(f"{kind} {list(e.path)}: {e.message[:200]}" for e in errors))
    container = field_of(load_definition(folder, "ServingRuntime"), "spec.containers[]")
    close(container)
    for one in documents["Job"]["spec"]["template"]["spec"]["containers"]:
        jsonschema.validate(one, container)
    head = ("# The fields that conf/kserve.yaml uses: kind, field, type, what must be in it. Facts from\n"
            "# KServe's config/crd/full at aaac4e294dae (v0.20.0-rc0): tests/kserve.py --crd DIR --write.\n")
    if write:
        with open(FIELDS, "w", encoding="utf-8") as file:
            file.writelines([head, *rows])
    with open(FIELDS, encoding="utf-8") as file:
        expect(file.read() == head + "".join(rows), "tests/kserve.txt is what the definitions say")


# ---- What is said twice ----


def check_agreement(documents):
    runtime, service = (documents[k]["spec"] for k in KINDS)
    predictor, model = service["predictor"], service["predictor"]["model"]
    container, = runtime["containers"]
    expect(container["name"] == "kserve-container", "KServe looks for kserve-container")
    expect(model["runtime"] == documents["ServingRuntime"]["metadata"]["name"], "runtime")
    expect(any(f["name"] == model["modelFormat"]["name"] and f["version"] == model["modelFormat"]["version"]
               for f in runtime["supportedModelFormats"]), "model format")
    expect(model["protocolVersion"] in runtime["protocolVersions"], "protocol")
    claim = re.fullmatch(r"pvc://([a-z0-9-]+)/?", model["storageUri"])[1]
    expect(claim == documents["PersistentVolumeClaim"]["metadata"]["name"], "the claim")
    job = documents["Job"]["spec"]["template"]["spec"]
    expect(job["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim, "the job's claim")
    expect(job["containers"][0]["image"] == container["image"], "the job's image")
    mount, = job["containers"][0]["volumeMounts"]
    expect(job["containers"][0]["command"][-1].endswith(f" {mount['mountPath']}/"), "the job's folder")
    expect(mount["name"] == job["volumes"][0]["name"], "the job's volume")
    port = container["ports"][0]["containerPort"]
    expect(all(container[p]["httpGet"]["port"] == port for p in ("readinessProbe", "livenessProbe")), "port")
    expect(runtime["annotations"]["prometheus.kserve.io/port"] == str(port), "port of the metrics")
    expect(f"--listen=0.0.0.0:{port}" in container["args"], "port it listens on")
    drain = int(re.search(r"--drain-timeout=(\d+)", " ".join(container["args"]))[1])
    sleep = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    expect(drain + sleep < predictor["terminationGracePeriodSeconds"], "time to stop")


# ---- Its arguments and paths, with a real daemon ----


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path)
    reply = connection.getresponse()
    reply.read()
    return reply.status


def check_daemon(documents):
    name = documents["InferenceService"]["metadata"]["name"]
    container, = documents["ServingRuntime"]["spec"]["containers"]
    args = [a.replace("{{.Name}}", name) for a in container["args"]]
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(os.path.join(ROOT, "models", name + ".tnm"), folder)
        args = [a.replace("/mnt/models", folder) for a in args]
        daemon = subprocess.Popen([os.path.join(BUILD, "tnmd"), *args, "--listen", "127.0.0.1:0"],
                                  stderr=subprocess.PIPE, text=True)
        try:
            log = []
            for line in daemon.stderr:
                log.append(line)
                at = re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)
                if at:
                    break
            expect(log and at, f"tnmd {args}: {''.join(log)}")
            for path in (container["readinessProbe"]["httpGet"]["path"],
                         container["livenessProbe"]["httpGet"]["path"],
                         documents["ServingRuntime"]["spec"]["annotations"]["prometheus.kserve.io/path"],
                         "/v2/health/ready", f"/v2/models/{name}", f"/v2/models/{name}/ready"):
                expect(get(int(at[1]), path) == 200, f"GET {path}")
        finally:
            daemon.terminate()
            daemon.communicate()
        expect(daemon.returncode == 0, f"tnmd ended with {daemon.returncode}")


# ---- The image ----


def check_image():
    with open(os.path.join(ROOT, "conf", "Dockerfile"), encoding="utf-8") as file:
        text = file.read().replace("\\\n", " ")
    _, build, final = text.split("\nFROM ")
    for folder in re.findall(r"^COPY (\S+)", build, re.M):
        expect(os.path.exists(os.path.join(ROOT, folder)), f"{folder} is there to copy")
    installed = set(re.search(r"--no-install-recommends +(.*?) +&&", final)[1].split())
    tnmd = os.path.join(BUILD, "tnmd")
    needed = re.findall(r"NEEDED.*\[(.*)\]", subprocess.check_output(["readelf", "-d", tnmd], text=True))
    expect(len(needed) > 5, "readelf names libraries")
    used = set()
    for library in needed:
        owners = {line.split(":")[0] for line in subprocess.check_output(
            ["dpkg", "-S", f"*/{library}"], text=True).splitlines()}
        expect(owners & (installed | {"libc6"}), f"the image lacks {library}: {owners}")
        used |= owners
    expect(installed <= used, f"nothing needs {installed - used}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--crd")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    documents = manifest()
    if args.crd:
        check_definitions(documents, args.crd, args.write)
    check_fields(documents)
    check_agreement(documents)
    check_daemon(documents)
    check_image()
    print(f"kserve: {checks} checks, 0 failures")


main()
