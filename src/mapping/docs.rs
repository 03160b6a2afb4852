//! Documentation made from the tables: docs/mapping.md, docs/settings.md, docs/claimed.md.
