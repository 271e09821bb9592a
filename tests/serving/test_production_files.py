"""The files that run TensorFlow Serving itself, each against its own schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import crossplane
import kubernetes_validate
import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from tensorflow_serving.config import model_server_config_pb2

from logo_tf.export.publishing import check_name
from logo_tf.serving.batching_parameters import read_parameters

SERVING = Path(__file__).parents[2] / "serving"
MANIFESTS = ("deployment", "service", "autoscaler", "budget")


def models() -> Any:
    text = (SERVING / "models.config").read_text()
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    return config.model_config_list.config


def flags(words: list[str]) -> dict[str, str]:
    return dict(word.removeprefix("--").split("=", 1) for word in words)


def manifest(name: str) -> Any:
    return yaml.safe_load((SERVING / "kubernetes" / f"{name}.yaml").read_text())


def test_models_and_labels_fit_each_other() -> None:
    assert [model.name for model in models()] == ["cheetah", "cheetah_world"]
    for model in models():
        assert check_name(model.name) == model.name
        assert model.base_path == f"/models/{model.name}"
        listed = set(model.model_version_policy.specific.versions)
        assert set(model.version_labels.values()) <= listed
    assert set(models()[0].version_labels) == {"stable", "canary"}


def test_batching_parameters_are_those_that_servers_read() -> None:
    found = read_parameters(SERVING / "batching_parameters.txt")
    assert found.allowed_batch_sizes[-1] == found.max_batch_size == 256


def test_monitoring_is_as_the_server_s_proto_says() -> None:
    # tensorflow_serving/config/monitoring_config.proto, which the API's package leaves out.
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="m.proto", package="m", syntax="proto3")
    inner = file.message_type.add(name="PrometheusConfig")
    inner.field.add(name="enable", number=1, type=field.TYPE_BOOL, label=field.LABEL_OPTIONAL)
    inner.field.add(name="path", number=2, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    outer = file.message_type.add(name="MonitoringConfig")
    outer.field.add(
        name="prometheus_config",
        number=1,
        type=field.TYPE_MESSAGE,
        type_name=".m.PrometheusConfig",
        label=field.LABEL_OPTIONAL,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    message = message_factory.GetMessageClass(pool.FindMessageTypeByName("m.MonitoringConfig"))()
    text_format.Parse((SERVING / "monitoring.config").read_text(), message)
    assert message.prometheus_config.enable
    annotations = manifest("deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/path"] == message.prometheus_config.path


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_are_what_kubernetes_takes(name: str) -> None:
    # Strict: a field that the schema does not know is an error.
    version = kubernetes_validate.latest_version()
    kubernetes_validate.validate(manifest(name), version, strict=True)


def test_a_manifest_with_a_misspelt_field_would_be_found() -> None:
    wrong = manifest("deployment")
    wrong["spec"]["template"]["spec"]["containers"][0]["securityContext"]["readOnlyRoot"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


def test_manifests_belong_together() -> None:
    spec = manifest("deployment")["spec"]
    labels = spec["template"]["metadata"]["labels"]
    for selector in (
        spec["selector"]["matchLabels"],
        manifest("service")["spec"]["selector"],
        manifest("budget")["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    target = manifest("autoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", "logo-tf-serving")
    (container,) = spec["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 8500, "rest": 8501}
    for port in manifest("service")["spec"]["ports"]:
        assert ports[port["targetPort"]] == port["port"]
    told = yaml.safe_load((SERVING / "kubernetes" / "kustomization.yaml").read_text())
    assert told["resources"] == [f"{name}.yaml" for name in MANIFESTS]
    volumes = {volume["name"]: volume for volume in spec["template"]["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
    (generated,) = told["configMapGenerator"]
    assert volumes["config"]["configMap"]["name"] == generated["name"]
    for file in generated["files"]:
        assert (SERVING / "kubernetes" / file).is_file()
    for probe in ("startupProbe", "readinessProbe"):
        path = container[probe]["httpGet"]["path"]
        assert path.startswith("/v1/models/cheetah/labels/stable")


def test_both_ways_start_the_server_alike_without_rights() -> None:
    compose = yaml.safe_load((SERVING / "compose.yaml").read_text())
    service = compose["services"]["serving"]
    pod = manifest("deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert flags(service["command"]) == flags(container["args"])
    assert service["entrypoint"] == container["command"]
    asked = flags(service["command"])
    assert asked["enable_profiler"] == "false"
    for name in ("model_config_file", "batching_parameters_file", "monitoring_config_file"):
        assert (SERVING / Path(asked[name]).name).is_file()
    assert service["user"] == f"{pod['securityContext']['runAsUser']}:65532"
    assert pod["securityContext"]["runAsNonRoot"]
    assert service["read_only"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert service["cap_drop"] == container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    # Nobody reaches the server but through the proxy, nor the proxy but from this machine.
    assert "ports" not in service
    assert compose["networks"]["inside"]["internal"]
    assert compose["services"]["proxy"]["ports"] == ["127.0.0.1:8443:8443"]
    for one in compose["services"].values():
        for volume in one["volumes"]:
            source = volume.partition(":")[0]
            assert volume.endswith(":ro")
            if source != "./tls":
                assert (SERVING / source).exists(), source


def test_the_proxy_is_what_nginx_takes(tmp_path: Path) -> None:
    inner = tmp_path / "default.conf"
    inner.write_text((SERVING / "proxy.conf.template").read_text())
    outer = tmp_path / "nginx.conf"
    outer.write_text(f"events {{ }}\nhttp {{ include {inner}; }}\n")
    # Directives are checked for where they may stand and how many arguments they take.
    parsed = crossplane.parse(str(outer), strict=True)
    assert parsed["status"] == "ok", parsed["errors"]
    (server,) = (d for d in parsed["config"][1]["parsed"] if d["directive"] == "server")
    block = server["block"]
    places = {d["args"][0]: d["block"] for d in block if d["directive"] == "location"}
    assert set(places) == {"/v1/", "/monitoring/", "/tensorflow.serving.PredictionService/", "/"}
    # The token is asked for before any of them.
    assert any(d["directive"] == "if" and d["block"][0]["args"] == ["401"] for d in block)
    assert any(d["directive"] == "listen" and d["args"] == ["8443", "ssl", "http2"] for d in block)
