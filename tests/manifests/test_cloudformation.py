"""The AWS stacks: clean for cfn-lint, and secure where an emulator would drop the property silently."""

from __future__ import annotations

import ipaddress
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from manifests.documents import TEMPLATES, roles, shown, statements, template
from manifests.identities import annotated
from manifests.reading import Object

DATA, CLUSTER = template("data"), template("cluster")
RESOURCES: Object = DATA["Resources"] | CLUSTER["Resources"]


def of_type(kind: str) -> dict[str, Object]:
    found = {name: one for name, one in RESOURCES.items() if one["Type"] == kind}
    assert found, kind
    return found


def test_cfn_lint_has_nothing_to_say() -> None:
    files = sorted(str(path) for path in TEMPLATES.glob("*.yaml"))
    assert len(files) == 2
    done = subprocess.run([str(Path(sys.executable).parent / "cfn-lint"), *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_what_one_stack_imports_the_other_exports() -> None:
    exported = {one["Export"]["Name"]["Fn::Sub"].split("}-")[1] for one in DATA["Outputs"].values()}
    imported = set(re.findall(r"\$\{DataStack\}-(\w+)", json.dumps(CLUSTER)))
    assert imported <= exported
    assert not DATA["Resources"].keys() & CLUSTER["Resources"].keys()


@pytest.mark.parametrize("name", sorted(name for name, one in RESOURCES.items() if one["Type"] == "AWS::S3::Bucket"))
def test_buckets_are_versioned_encrypted_private_and_kept(name: str) -> None:
    bucket, rules = RESOURCES[name], RESOURCES[name]["Properties"]
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    assert rules["VersioningConfiguration"] == {"Status": "Enabled"}
    blocked = rules["PublicAccessBlockConfiguration"]
    assert len(blocked) == 4
    assert all(blocked.values())
    (encryption,) = rules["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    expected = "AES256" if name == "Logs" else "aws:kms"  # S3 writes its access logs under its own key only
    assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == expected
    assert rules["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert name == "Logs" or rules["LoggingConfiguration"]["DestinationBucketName"] == {"Ref": "Logs"}
    policy = RESOURCES[f"{name}Policy"]["Properties"]["PolicyDocument"]["Statement"][0]
    assert (policy["Effect"], policy["Action"]) == ("Deny", ["s3:*"])
    assert policy["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_audit_log_cannot_be_deleted_by_anybody() -> None:
    audit = RESOURCES["Audit"]["Properties"]
    assert audit["ObjectLockEnabled"] is True
    assert audit["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]["Mode"] == "COMPLIANCE"
    actions = {action for role in roles(RESOURCES).values() for one in statements(role) for action in one["Action"]}
    assert not [action for action in actions if re.match(r"s3:(Delete|PutBucket|Bypass|PutObjectRetention)", action)]


def test_databases_are_private_encrypted_kept_and_speak_tls_alone() -> None:
    forced = {
        "PostgresParameters": {"rds.force_ssl": "1"},
        "MysqlParameters": {"require_secure_transport": "1", "authentication_policy": "*:mysql_native_password"},
    }
    for name, one in of_type("AWS::RDS::DBInstance").items():
        rules = one["Properties"]
        assert one["DeletionPolicy"] == "Snapshot"
        assert rules["StorageEncrypted"] is rules["DeletionProtection"] is True
        assert rules["PubliclyAccessible"] is False
        assert rules["BackupRetentionPeriod"] >= 14
        parameters = rules["DBParameterGroupName"]["Ref"]
        assert RESOURCES[parameters]["Properties"]["Parameters"] == forced[parameters], name
        assert "resolve:secretsmanager" in rules["MasterUserPassword"]["Fn::Sub"]


def test_databases_are_reached_from_the_cluster_alone() -> None:
    edges = of_type("AWS::EC2::SecurityGroupIngress")
    assert {one["Properties"]["FromPort"] for one in edges.values()} == {5432, 3306}
    for one in edges.values():
        assert "CidrIp" not in one["Properties"]
        assert one["Properties"]["SourceSecurityGroupId"] == {"Fn::GetAtt": ["Cluster", "ClusterSecurityGroupId"]}
    for one in of_type("AWS::EC2::SecurityGroup").values():
        assert "SecurityGroupIngress" not in one["Properties"]
        assert [edge["CidrIp"] for edge in one["Properties"]["SecurityGroupEgress"]] == ["127.0.0.1/32"]


def test_subnets_lie_in_the_network_and_apart() -> None:
    network = ipaddress.ip_network(DATA["Parameters"]["VpcCidr"]["Default"])
    taken = []
    for one in of_type("AWS::EC2::Subnet").values():
        index, parts = one["Properties"]["CidrBlock"]["Fn::Select"]
        count, host_bits = parts["Fn::Cidr"][1:]
        assert int(index) < int(count)
        taken.append(list(network.subnets(new_prefix=32 - int(host_bits)))[int(index)])
        assert one["Properties"]["MapPublicIpOnLaunch"] is False
    assert len(taken) == 6
    assert not [(a, b) for a in taken for b in taken if a is not b and a.overlaps(b)]


def test_secrets_have_no_value_in_the_template_and_are_kept() -> None:
    for name, one in of_type("AWS::SecretsManager::Secret").items():
        assert "SecretString" not in one["Properties"], name
        assert one["DeletionPolicy"] == "Retain"
        assert one["Properties"]["KmsKeyId"] == {"Fn::GetAtt": ["Key", "Arn"]}


def test_every_secret_that_the_cluster_reads_is_there_and_its_store_may_read_it(production: list[Object]) -> None:
    names = {one["Properties"]["Name"]: name for name, one in of_type("AWS::SecretsManager::Secret").items()}
    exports = {output["Value"]["Ref"]: key for key, output in DATA["Outputs"].items() if "Ref" in output["Value"]}
    may = {
        "jackpot": statements(RESOURCES["SecretsServicesRole"])[0]["Resource"],
        "kubeflow": statements(RESOURCES["SecretsRunsRole"])[0]["Resource"],
    }
    for item in production:
        if item["kind"] != "ExternalSecret":
            continue
        for source in item["spec"]["dataFrom"]:
            secret = names[source["extract"]["key"]]
            allowed = {shown(one) for one in may[item["metadata"]["namespace"]]}
            assert exports[secret].removesuffix("Arn") in allowed, item["metadata"]["name"]


def test_images_cannot_be_changed_and_are_scanned() -> None:
    for one in of_type("AWS::ECR::Repository").values():
        assert one["Properties"]["ImageTagMutability"] == "IMMUTABLE"
        assert one["Properties"]["ImageScanningConfiguration"] == {"ScanOnPush": True}


def test_new_data_reaches_the_queue_and_bad_messages_leave_it() -> None:
    (rule,) = RESOURCES["Data"]["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
    assert rule["Queue"] == {"Fn::GetAtt": ["Queue", "Arn"]}
    assert RESOURCES["Data"]["DependsOn"] == "QueuePolicy"
    queue = RESOURCES["Queue"]["Properties"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadLetters", "Arn"]}
    assert queue["KmsMasterKeyId"] == {"Fn::GetAtt": ["Key", "Arn"]}
    (statement,) = RESOURCES["QueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "s3.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}


def test_the_cluster_is_current_closed_encrypted_and_logged() -> None:
    cluster = RESOURCES["Cluster"]["Properties"]
    assert tuple(int(part) for part in cluster["Version"].split(".")) >= (1, 35)
    assert cluster["UpgradePolicy"] == {"SupportType": "STANDARD"}
    assert cluster["ResourcesVpcConfig"]["EndpointPublicAccess"] == {"Fn::If": ["Public", True, False]}
    assert CLUSTER["Parameters"]["AllowedCidrs"]["Default"] == ""
    assert cluster["EncryptionConfig"][0]["Resources"] == ["secrets"]
    assert {one["Type"] for one in cluster["Logging"]["ClusterLogging"]["EnabledTypes"]} >= {"audit", "api"}
    assert cluster["AccessConfig"]["BootstrapClusterCreatorAdminPermissions"] is False
    node = RESOURCES["NodeTemplate"]["Properties"]["LaunchTemplateData"]
    assert node["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert all(disk["Ebs"]["Encrypted"] for disk in node["BlockDeviceMappings"])
    assert json.loads(RESOURCES["Cni"]["Properties"]["ConfigurationValues"]) == {"enableNetworkPolicy": "true"}


def test_a_wildcard_has_its_reason() -> None:
    """An action with `*`, or `*` for a resource outside a bucket's prefix."""
    for name, role in roles(RESOURCES).items():
        for one in statements(role):
            assert not [action for action in one["Action"] if "*" in action], name
            resource: Any = one["Resource"]
            for place in resource if isinstance(resource, list) else [resource]:
                text = shown(place)
                bound = re.fullmatch(r"(Data|Restricted|Audit)/[a-z-]+/\*", text)
                if "*" in text and not bound:
                    assert role["Metadata"].get("Wildcards"), f"{name}: {text}"


def test_every_job_has_one_role_and_every_role_one_holder() -> None:
    bound = [one["Properties"] for one in of_type("AWS::EKS::PodIdentityAssociation").values()]
    holders = [(one["Namespace"], one["ServiceAccount"]) for one in bound]
    assert len(set(holders)) == len(holders)
    for one in bound:
        logical = one["RoleArn"]["Fn::GetAtt"][0]
        pod, irsa = RESOURCES[logical]["Properties"]["AssumeRolePolicyDocument"]["Fn::If"][1:]
        held = pod["Statement"][0]["Condition"]["StringEquals"]
        assert held["aws:RequestTag/kubernetes-namespace"] == one["Namespace"]
        assert held["aws:RequestTag/kubernetes-service-account"] == one["ServiceAccount"]
        text, values = irsa["Fn::Sub"]
        assert values["Issuer"]["Fn::Select"][1]["Fn::Split"][1] == {
            "Fn::GetAtt": ["Cluster", "OpenIdConnectIssuerUrl"]
        }
        federated = json.loads(text)["Statement"][0]
        account = f"system:serviceaccount:{one['Namespace']}:{one['ServiceAccount']}"
        assert federated["Condition"]["StringEquals"]["${Issuer}:sub"] == account


def test_with_irsa_the_same_accounts_are_told_the_same_roles() -> None:
    place = (TEMPLATES.parents[1] / "overlays" / "production" / "services" / "place.env").read_text()
    told = {
        (one["metadata"]["namespace"], one["metadata"]["name"]): one["metadata"]["annotations"]
        for one in annotated(place, (TEMPLATES / "cluster.yaml").read_text())
    }
    bound = [one["Properties"] for one in of_type("AWS::EKS::PodIdentityAssociation").values()]
    assert told.keys() == {(one["Namespace"], one["ServiceAccount"]) for one in bound}
    for one in bound:
        role = RESOURCES[one["RoleArn"]["Fn::GetAtt"][0]]["Properties"]["RoleName"]["Fn::Sub"]
        (arn,) = told[one["Namespace"], one["ServiceAccount"]].values()
        assert re.fullmatch(r"arn:aws:iam::\d{12}:role/" + role.replace("${Environment}", "production"), arn)


def test_bound_accounts_of_the_product_exist(production: list[Object]) -> None:
    have = {
        (item["metadata"]["namespace"], item["metadata"]["name"])
        for item in production
        if item["kind"] == "ServiceAccount"
    }
    bound = {
        (one["Properties"]["Namespace"], one["Properties"]["ServiceAccount"])
        for one in of_type("AWS::EKS::PodIdentityAssociation").values()
    }
    platform = {
        ("kubeflow", "pipeline-runner"),
        ("kubeflow", "ml-pipeline"),
        ("kubeflow", "ml-pipeline-ui"),
        ("external-secrets", "external-secrets"),
        ("kube-system", "cluster-autoscaler"),
        ("cert-manager", "cert-manager"),
    }
    assert bound - have == platform
    assert have - bound == {("jackpot", "schedules")}, "talks to Kubeflow alone"


def test_cash_is_read_by_runs_and_console_alone_and_models_are_written_by_weekly_alone() -> None:
    def may(action: str, place: str) -> set[str]:
        return {
            name
            for name, role in roles(RESOURCES).items()
            for one in statements(role)
            if action in one["Action"] and isinstance(one["Resource"], list)
            if place in [shown(item) for item in one["Resource"]]
        }

    assert may("s3:PutObject", "Data/mlflow/*") == {"WeeklyRole"}
    assert may("secretsmanager:GetSecretValue", "CashSecret") == {"SecretsRunsRole", "SecretsServicesRole"}
    assert may("s3:GetObject", "Restricted/store/*") == {"WeeklyRole", "BackfillRole", "MonitorRole", "ConsoleRole"}
    assert may("s3:PutObject", "Restricted/store/*") == {"WeeklyRole", "BackfillRole"}


def test_the_release_role_is_taken_from_one_repository_and_environment() -> None:
    statement = RESOURCES["ReleaseRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    subject = statement["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
    assert subject == {"Fn::Sub": "repo:${GitHubRepository}:environment:${GitHubEnvironment}"}
    assert RESOURCES["ReleaseAccess"]["Properties"]["KubernetesGroups"] == ["jackpot-release"]
