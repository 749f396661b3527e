"""The servers and databases of tests/integration/db."""

from tests.integration.db.conftest import _clone, installation, own_scene, scene, server

__all__ = ["_clone", "installation", "own_scene", "scene", "server"]
