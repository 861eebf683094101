"""Providers and model configs: what was set up over REST. Keys are never here; they are in the 0600 file."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from .. import wire
from ..errors import NotFoundError
from ..model_settings import ModelConfig, ProviderConfig, StoredModels


def stored_models(conn: sqlite3.Connection) -> StoredModels:
    """Return all providers, and the model configs that are not deleted."""
    return StoredModels(providers=list_providers(conn), models=list_model_configs(conn))


def list_providers(conn: sqlite3.Connection) -> tuple[ProviderConfig, ...]:
    """Return the providers that were set up, by name."""
    return tuple(_provider(row) for row in conn.execute("SELECT * FROM providers ORDER BY provider"))


def get_provider(conn: sqlite3.Connection, provider_id: str) -> ProviderConfig:
    """Return a provider.

    Raises:
        NotFoundError: there is none with that id.
    """
    row = conn.execute("SELECT * FROM providers WHERE id = ?", (provider_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"Provider {provider_id} was not found.")
    return _provider(row)


def insert_provider(conn: sqlite3.Connection, provider: ProviderConfig, *, now: float) -> None:
    """Store a new provider.

    Raises:
        sqlite3.IntegrityError: a provider of that name exists.
    """
    conn.execute(
        "INSERT INTO providers (id, provider, display_name, base_url, enabled, created_at, updated_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            provider.id,
            provider.provider,
            provider.display_name or provider.provider,
            provider.base_url,
            int(provider.enabled),
            now,
            now,
        ),
    )


def update_provider(conn: sqlite3.Connection, provider: ProviderConfig, *, now: float) -> None:
    """Replace a stored provider's display name, base URL and switch."""
    conn.execute(
        "UPDATE providers SET display_name = ?, base_url = ?, enabled = ?, updated_at = ? WHERE id = ?",
        (
            provider.display_name or provider.provider,
            provider.base_url,
            int(provider.enabled),
            now,
            provider.id,
        ),
    )


def delete_provider(conn: sqlite3.Connection, provider_id: str) -> None:
    """Delete a provider."""
    conn.execute("DELETE FROM providers WHERE id = ?", (provider_id,))


def _provider(row: sqlite3.Row) -> ProviderConfig:
    return ProviderConfig(
        id=row["id"],
        provider=row["provider"],
        display_name=row["display_name"],
        base_url=row["base_url"],
        enabled=bool(row["enabled"]),
    )


def list_model_configs(conn: sqlite3.Connection) -> tuple[ModelConfig, ...]:
    """Return the model configs that are not deleted, oldest first."""
    rows = conn.execute("SELECT * FROM model_configs WHERE deleted_at IS NULL ORDER BY created_at, id")
    return tuple(_model_config(row) for row in rows)


def get_model_config(conn: sqlite3.Connection, config_id: str) -> ModelConfig:
    """Return a model config.

    Raises:
        NotFoundError: there is none with that id, or it is deleted.
    """
    row = conn.execute(
        "SELECT * FROM model_configs WHERE id = ? AND deleted_at IS NULL", (config_id,)
    ).fetchone()
    if row is None:
        raise NotFoundError(f"Model config {config_id} was not found.")
    return _model_config(row)


def put_model_config(conn: sqlite3.Connection, config: ModelConfig, *, now: float) -> None:
    """Store a model config, new or changed; a new default takes the mark from the one before."""
    if config.is_default:
        conn.execute("UPDATE model_configs SET is_default = 0 WHERE is_default = 1 AND id <> ?", (config.id,))
    values: Mapping[str, Any] = {
        "id": config.id,
        "provider": config.provider,
        "model": config.model,
        "display_name": config.display_name or config.model,
        "enabled": int(config.enabled),
        "is_default": int(config.is_default),
        "context_limit": config.context_limit,
        "compression_threshold": config.compression_threshold,
        "options": wire.dump_json(config.options),
        "now": now,
    }
    conn.execute(
        "INSERT INTO model_configs (id, provider, model, display_name, enabled, is_default, context_limit,"
        " compression_threshold, options, created_at, updated_at)"
        " VALUES (:id, :provider, :model, :display_name, :enabled, :is_default, :context_limit,"
        " :compression_threshold, :options, :now, :now)"
        " ON CONFLICT (id) DO UPDATE SET provider = :provider, model = :model, display_name = :display_name,"
        " enabled = :enabled, is_default = :is_default, context_limit = :context_limit,"
        " compression_threshold = :compression_threshold, options = :options, updated_at = :now",
        values,
    )


def delete_model_config(conn: sqlite3.Connection, config_id: str, *, now: float) -> None:
    """Mark a model config deleted: rows that name it keep their meaning."""
    conn.execute("UPDATE model_configs SET deleted_at = ?, is_default = 0 WHERE id = ?", (now, config_id))


def _model_config(row: sqlite3.Row) -> ModelConfig:
    return ModelConfig(
        id=row["id"],
        provider=row["provider"],
        model=row["model"],
        display_name=row["display_name"],
        enabled=bool(row["enabled"]),
        is_default=bool(row["is_default"]),
        context_limit=row["context_limit"],
        compression_threshold=row["compression_threshold"],
        options=wire.load_json(row["options"]),
    )
