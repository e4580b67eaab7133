"""Generated requests to every route: no unexpected error, and every response is as the OpenAPI description says.

DISCOGAN_FUZZ_CASES sets the number of requests to each route; by default it is small.
"""

import os

import pytest
from hypothesis import HealthCheck, given, settings

from tests.web.conftest import LIMITS, running

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")


CASES = int(os.environ.get("DISCOGAN_FUZZ_CASES", "40"))
CONFORMANCE = [
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_headers_conformance,
    schemathesis.checks.response_schema_conformance,
]


ROUTES = [
    ("POST", "/v1/translate"),
    ("POST", "/v1/match"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{model}/examples/{direction}/{number}"),
    ("GET", "/v1/models/{model}/folders/{direction}/{number}"),
    ("GET", "/healthz"),
    ("GET", "/metrics"),
]


@pytest.fixture(scope="module")
def address(served):
    with running(served, LIMITS) as (port, _):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def schema(address):
    return schemathesis.openapi.from_url(f"{address}/openapi.json")


def test_all_routes_are_tested(schema):
    paths = schema.raw_schema["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == set(ROUTES)


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_responses_are_as_described(schema, address, method, path, mode):
    """The requests follow the description (positive), or violate it in one place (negative)."""
    operation = schema[path][method]
    if mode == schemathesis.GenerationMode.NEGATIVE and not (operation.query or operation.path_parameters):
        pytest.skip("the route has no parameters to violate")

    @settings(
        max_examples=CASES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case):
        response = case.call(base_url=address)
        assert response.status_code < 500 or response.status_code in (503, 504)
        case.validate_response(response, checks=CONFORMANCE)

    check()
