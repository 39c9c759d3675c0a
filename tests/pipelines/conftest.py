"""The real servers of the adapters' tests, for pipelines too."""

from tests.adapters.conftest import mlflow_server, postgres, s3, s3_server

__all__ = ["mlflow_server", "postgres", "s3", "s3_server"]
