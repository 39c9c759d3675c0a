"""Prints which AWS role each service account takes, for clusters with IRSA; Pod Identity needs no such annotation.

python3 -m manifests.identities staging | kubectl apply --server-side --field-manager=jackpot-identities -f -

Namespaces may follow, for those that are there already. Standard library alone: it runs wherever kubectl does.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
TEMPLATE = ROOT / "platform" / "cloudformation" / "cluster.yaml"


def bindings(template: str) -> list[tuple[str, str, str]]:
    """Return namespace, account and the end of the role's name of each Pod Identity association of the stack."""
    names = dict(
        re.findall(r"^  (\w+):\n    Type: AWS::IAM::Role\n(?:    .*\n)*?      RoleName: .*}-(\S+)$", template, re.M)
    )
    bound = re.findall(r"Namespace: ([\w-]+), ServiceAccount: ([\w-]+), RoleArn: !GetAtt (\w+)\.Arn", template)
    return [(space, account, names[role]) for space, account, role in bound]


def annotated(place: str, template: str) -> list[dict[str, Any]]:
    """Return the accounts with their roles' names, in the AWS account and environment of a place.env."""
    found = re.search(r"^SECRETS_ROLE_JACKPOT=(\S+:role/\S+?-)secrets-services$", place, re.M)
    if found is None:
        raise ValueError("place.env names no SECRETS_ROLE_JACKPOT, arn:…:role/jackpot-ENVIRONMENT-secrets-services")
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {
                "name": account,
                "namespace": space,
                "annotations": {"eks.amazonaws.com/role-arn": found[1] + role},
            },
        }
        for space, account, role in bindings(template)
    ]


def main(arguments: list[str]) -> int:
    """Print the accounts of the namespaces asked for, or of all; return the exit code."""
    file = ROOT / "overlays" / "".join(arguments[:1]) / "services" / "place.env"
    if not file.is_file():
        print("use: python3 -m manifests.identities ENVIRONMENT [NAMESPACE …]", file=sys.stderr)
        return 2
    try:
        found = annotated(file.read_text(), TEMPLATE.read_text())
    except ValueError as error:
        print(f"{file}: {error}", file=sys.stderr)
        return 2
    spaces = arguments[1:] or sorted({one["metadata"]["namespace"] for one in found})
    if unknown := [space for space in spaces if space not in {one["metadata"]["namespace"] for one in found}]:
        print(f"no service account of {', '.join(unknown)} takes a role", file=sys.stderr)
        return 2
    items = [one for one in found if one["metadata"]["namespace"] in spaces]
    json.dump({"apiVersion": "v1", "kind": "List", "items": items}, sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
