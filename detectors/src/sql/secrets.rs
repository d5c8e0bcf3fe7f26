//! 9402007 and 9402008: which tables hold secrets of a backup product, and which its inventory.

use super::config::{SqlConfig, is_listed};
use crate::content::sql::Table;
use crate::finding::Stage;
use crate::mitre::{T1018, T1087, T1213, T1555};
use crate::{Confidence, Meta};

/// Secrets are read.
pub static SECRETS: Meta = Meta {
    sid: 9_402_007,
    rev: 1,
    title: "BACKSTOP SQL Veeam configuration secrets queried",
    category: "Attempted Administrator Privilege Gain",
    severity: 1,
    mitre: &[T1555, T1213],
    cve: &[],
    stage: Stage::Collect,
    help: "A query reads a table with stored credentials of the Veeam configuration database, from an address that is not a backup \
           server. The database is the one named in front of the table, or else the one in use; where nobody said which, the schema \
           or a telling name decides. Silent: backup servers and the server itself, tables of such names in other databases, \
           sys.credentials, the names in literals or as columns.",
};

/// The inventory is read.
pub static INVENTORY: Meta = Meta {
    sid: 9_402_008,
    rev: 1,
    title: "BACKSTOP SQL Veeam inventory queried",
    category: "Attempted Information Leak",
    severity: 2,
    mitre: &[T1087, T1018],
    cve: &[],
    stage: Stage::Collect,
    help: "One host that is not a backup server read two or more different tables of the Veeam inventory within a minute, over all its \
           sessions. Once an hour for each host. Silent: one table only, as monitoring does, backup servers and the server itself, \
           tables of such names in other databases.",
};

/// Names that other products have, too: without a database they say nothing.
const COMMON: [&str; 2] = ["credentials", "hosts"];

/// What a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It holds secrets.
    Secret,
    /// It tells of the inventory.
    Inventory,
}

/// What a table is to us, and how sure that is.
pub fn kind(table: &Table, config: &SqlConfig) -> Option<(Kind, Confidence)> {
    // Views of the servers themselves: sys.credentials is one.
    let schema = table.schema.as_deref();
    if schema.is_some_and(|schema| matches!(schema, "sys" | "information_schema" | "pg_catalog")) {
        return None;
    }
    // A name may hold a dot, or the dot may come of a schema: `[VSphere.Hosts]`, `VSphere.Hosts`.
    let with_schema = schema.map(|schema| format!("{schema}.{}", table.name));
    let listed = |patterns: &[String]| {
        is_listed(patterns, &table.name) || with_schema.as_ref().is_some_and(|name| is_listed(patterns, name))
    };
    let kind = if listed(&config.secret_tables) {
        Kind::Secret
    } else if listed(&config.inventory_tables) {
        Kind::Inventory
    } else {
        return None;
    };
    match table.database.as_deref().filter(|database| !database.contains('?')) {
        Some(database) => is_listed(&config.backup_databases, database).then_some((kind, Confidence::High)),
        None => {
            let telling = !COMMON.contains(&table.name.as_str());
            let own_schema = matches!(schema, Some("dbo" | "public"));
            (own_schema || telling).then_some((kind, Confidence::Medium))
        }
    }
}
