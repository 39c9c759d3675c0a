"""The pages made from the manifests: every object with its owner, and who may do what.

python -m manifests.documents          # writes docs/objects.md and docs/access.md
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from .reading import OWNER, PURPOSE, Object, containers, pod_of

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / "manifests" / "platform" / "cloudformation"
MADE = "<!-- Made by `make objects` from the manifests; a test fails where the two differ. -->"


class _Intrinsics(yaml.SafeLoader):
    """Reads CloudFormation's short forms (`!Ref x`) as their long ones."""


def _intrinsic(loader: _Intrinsics, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = value.split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise TypeError(f"a {type(node).__name__} under !{suffix}")
    return {name: value}


_Intrinsics.add_multi_constructor("!", _intrinsic)


def template(name: str) -> Object:
    """Return a CloudFormation template, short forms written out."""
    text = (TEMPLATES / f"{name}.yaml").read_text()
    parsed: Object = yaml.load(text, Loader=_Intrinsics)  # noqa: S506 - a SafeLoader with CloudFormation's tags
    return parsed


def shown(value: Any) -> str:
    """Return a resource of a policy as a person would say it."""
    if isinstance(value, str):
        return value
    if "Fn::ImportValue" in value:
        return shown(value["Fn::ImportValue"]).replace("${DataStack}-", "").removesuffix("Arn")
    if "Fn::GetAtt" in value:
        return str(value["Fn::GetAtt"][0])
    if "Ref" in value:
        return str(value["Ref"])
    text = value["Fn::Sub"]
    if isinstance(text, list):
        text, names = text
        for name, part in names.items():
            text = text.replace(f"${{{name}}}", shown(part))
    return str(text).split("${AWS::AccountId}:")[-1]


def statements(role: Object) -> list[Object]:
    """Return the statements of a role's own policies, those that a parameter switches on included."""
    policies = role["Properties"].get("Policies", [])
    return [one["Fn::If"][1] if "Fn::If" in one else one for p in policies for one in p["PolicyDocument"]["Statement"]]


def roles(resources: Object) -> dict[str, Object]:
    """Return the IAM roles among a template's resources, by logical name."""
    return {name: one for name, one in resources.items() if one["Type"] == "AWS::IAM::Role"}


def access_page(resources: Object, rbac: Iterable[Object]) -> str:
    """Return the page that says who may do what: in AWS by role, in Kubernetes by account."""
    bound = {
        one["Properties"]["RoleArn"]["Fn::GetAtt"][0]: one["Properties"]
        for one in resources.values()
        if one["Type"] == "AWS::EKS::PodIdentityAssociation"
    }
    lines = [
        "# Who may do what",
        "",
        MADE,
        "",
        "One role per job, one service account per role. Whatever is not here is not allowed.",
        "",
        "## In AWS",
        "",
        "| role | held by | for | may | on |",
        "|---|---|---|---|---|",
    ]
    for name, role in sorted(roles(resources).items()):
        who = bound.get(name)
        holder = f"`{who['Namespace']}/{who['ServiceAccount']}`" if who else _trusted(role)
        purpose = role["Metadata"]["Purpose"]
        rows = [(", ".join(f"`{a}`" for a in one["Action"]), _places(one)) for one in statements(role)]
        managed = role["Properties"].get("ManagedPolicyArns", [])
        rows += [(f"AWS's policy `{shown(policy).rpartition('/')[2]}`", "as AWS says") for policy in managed]
        for index, (may, on) in enumerate(rows):
            first = (f"`{name}`", holder, purpose) if index == 0 else ("", "", "")
            lines.append(f"| {' | '.join((*first, may, on))} |")
    lines += ["", "Wildcards, each with its reason:", ""]
    for name, role in sorted(resources.items()):
        if "Wildcards" in role.get("Metadata", {}):
            lines.append(f"- `{name}`: {role['Metadata']['Wildcards']}.")
    lines += ["", "## In Kubernetes", "", "| account | in | may | on |", "|---|---|---|---|"]
    objects = list(rbac)
    held = {(i["metadata"]["namespace"], i["metadata"]["name"]): i["rules"] for i in objects if i["kind"] == "Role"}
    granted = []
    for item in objects:
        if item["kind"] == "RoleBinding":
            namespace = item["metadata"]["namespace"]
            for subject in item["subjects"]:
                home = f"{subject['namespace']}/" if "namespace" in subject else "group "
                granted += [
                    (f"{home}{subject['name']}", namespace, rule) for rule in held[namespace, item["roleRef"]["name"]]
                ]
    for account, namespace, rule in sorted(granted, key=lambda one: (one[0], one[1], str(one[2]["resources"]))):
        named = f" named {', '.join(rule['resourceNames'])}" if "resourceNames" in rule else ""
        may = ", ".join(rule["verbs"])
        lines.append(f"| `{account}` | {namespace} | {may} | {', '.join(rule['resources'])}{named} |")
    return "\n".join(lines) + "\n"


def _trusted(role: Object) -> str:
    text = str(role["Properties"]["AssumeRolePolicyDocument"])
    if "token.actions.githubusercontent.com" in text:
        return "the release workflow, in its GitHub environment"
    if "aws:PrincipalArn" in text:
        return "`SecretsRole`"
    services = re.findall(r"([a-z0-9.-]+)\.amazonaws\.com", text)
    return f"AWS's own `{services[0]}`"


def _places(statement: Object) -> str:
    resource = statement["Resource"]
    places = resource if isinstance(resource, list) else [resource]
    text = ", ".join(f"`{shown(one)}`" for one in places)
    prefixes = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix")
    return text + (f" under {', '.join(f'`{p}`' for p in prefixes)}" if prefixes else "")


def objects_page(objects: Iterable[Object]) -> str:
    """Return the page that lists every object of the production overlay."""
    lines = [
        "# Every object of the product",
        "",
        MADE,
        "",
        "As `kubectl kustomize manifests/overlays/production` renders them. InferenceServices are made by the deploy",
        "step, one per market and its candidate; the platform's objects are in `manifests/platform`.",
        "",
        "| object | owner | purpose | limits |",
        "|---|---|---|---|",
    ]
    for item in sorted(objects, key=lambda one: (one["metadata"].get("namespace", ""), one["kind"], _plain(one))):
        notes, metadata = item["metadata"]["annotations"], item["metadata"]
        place = f"{metadata['namespace']}/" if "namespace" in metadata else ""
        name = f"{item['kind']} `{place}{_plain(item)}`"
        lines.append(f"| {name} | {notes[OWNER]} | {notes[PURPOSE]} | {_limits(item)} |")
    return "\n".join(lines) + "\n"


def _plain(item: Object) -> str:
    """Return the name without the hash that kustomize adds to a generated ConfigMap's."""
    name: str = item["metadata"]["name"]
    return re.sub(r"-[a-z0-9]{10}$", "", name) if item["kind"] == "ConfigMap" else name


def _limits(item: Object) -> str:
    pod = pod_of(item)
    if pod is not None:
        parts = [c["resources"]["limits"] for c in containers(pod)]
        text = "; ".join(f"{part['cpu']} CPU, {part['memory']}" for part in parts)
        copies = item["spec"].get("replicas")
        return f"{copies} × {text}" if copies else text
    match item["kind"]:
        case "ResourceQuota":
            hard = item["spec"]["hard"]
            return f"{hard['limits.cpu']} CPU, {hard['limits.memory']}, {hard['pods']} pods"
        case "LimitRange":
            most = item["spec"]["limits"][0]["max"]
            return f"a container: {most['cpu']} CPU, {most['memory']}"
        case "PersistentVolumeClaim":
            return str(item["spec"]["resources"]["requests"]["storage"])
        case "PodMonitor" | "ServiceMonitor":
            return f"{item['spec']['sampleLimit']} samples"
        case "PodDisruptionBudget":
            return f"{item['spec']['maxUnavailable']} unavailable"
    return "no resources of its own"


def render(folder: Path) -> list[Object]:
    """Return the objects of a kustomization, by kubectl."""
    done = subprocess.run(  # noqa: S603
        ["kubectl", "kustomize", str(folder)],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    )
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def main() -> None:
    """Write both pages."""
    production = render(ROOT / "manifests" / "overlays" / "production")
    (ROOT / "docs" / "objects.md").write_text(objects_page(production))
    both = template("data")["Resources"] | template("cluster")["Resources"]
    (ROOT / "docs" / "access.md").write_text(access_page(both, production))


if __name__ == "__main__":
    main()
