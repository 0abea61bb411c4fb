//! Words for spelling out tables: a column is a name, a type and whether it may be absent.
//!
//! Instants are 64-bit integers (microseconds since 1970, UTC): the same comparisons, cursors and index order on both databases.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// The type of a column.
#[derive(Clone, Copy)]
pub enum Of {
    Uuid,
    Text,
    Bool,
    Int,
    BigInt,
    /// Microseconds since 1970.
    Instant,
    Date,
    Json,
    Bytes,
}

/// A required column.
pub fn column(name: &'static str, of: Of) -> ColumnDef {
    let mut column = optional(name, of);
    column.not_null();
    column
}

/// A column that may be absent.
pub fn optional(name: &'static str, of: Of) -> ColumnDef {
    let mut column = ColumnDef::new(name);
    match of {
        Of::Uuid => column.uuid(),
        Of::Text => column.text(),
        Of::Bool => column.boolean(),
        Of::Int => column.integer(),
        Of::BigInt | Of::Instant => column.big_integer(),
        Of::Date => column.date(),
        Of::Json => column.json_binary(),
        Of::Bytes => column.binary(),
    };
    column
}

/// The columns every mutable row has, in front of its own.
pub fn row(own: Vec<ColumnDef>) -> Vec<ColumnDef> {
    let mut id = column("id", Of::Uuid);
    id.primary_key();
    let mut columns = vec![
        id,
        column("version", Of::BigInt),
        column("created_at", Of::Instant),
        column("updated_at", Of::Instant),
    ];
    columns.extend(own);
    columns
}

/// A table of columns.
pub async fn create(
    manager: &SchemaManager<'_>,
    name: &'static str,
    columns: Vec<ColumnDef>,
) -> Result<(), DbErr> {
    create_keyed(manager, name, columns, &[]).await
}

/// A table whose primary key spans several columns.
pub async fn create_keyed(
    manager: &SchemaManager<'_>,
    name: &'static str,
    columns: Vec<ColumnDef>,
    key: &[&'static str],
) -> Result<(), DbErr> {
    let mut table = Table::create();
    table.table(name);
    for column in columns {
        table.col(column);
    }
    if !key.is_empty() {
        let mut index = Index::create();
        for column in key {
            index.col(*column);
        }
        table.primary_key(&mut index);
    }
    manager.create_table(table).await
}

/// A table with foreign keys: (column, the table it points at).
pub async fn create_with_keys(
    manager: &SchemaManager<'_>,
    name: &'static str,
    columns: Vec<ColumnDef>,
    keys: &[(&'static str, &'static str)],
) -> Result<(), DbErr> {
    let mut table = Table::create();
    table.table(name);
    for column in columns {
        table.col(column);
    }
    for (column, other) in keys {
        table.foreign_key(
            ForeignKey::create()
                .name(format!("fk_{name}_{column}"))
                .from(name, *column)
                .to(*other, "id"),
        );
    }
    manager.create_table(table).await
}

/// An index; its name says the table and the columns.
pub async fn index(
    manager: &SchemaManager<'_>,
    table: &'static str,
    columns: &[&'static str],
) -> Result<(), DbErr> {
    let mut index = Index::create();
    index
        .name(format!("ix_{table}_{}", columns.join("_")))
        .table(table);
    for column in columns {
        index.col(*column);
    }
    manager.create_index(index).await
}

/// A unique index.
pub async fn unique(
    manager: &SchemaManager<'_>,
    table: &'static str,
    columns: &[&'static str],
) -> Result<(), DbErr> {
    let mut index = Index::create();
    index
        .name(format!("ux_{table}_{}", columns.join("_")))
        .table(table)
        .unique();
    for column in columns {
        index.col(*column);
    }
    manager.create_index(index).await
}

/// An index over the rows that meet a condition, spelled the same way by both databases.
pub async fn partial_index(
    manager: &SchemaManager<'_>,
    name: &str,
    table: &str,
    columns: &str,
    condition: &str,
    unique: bool,
) -> Result<(), DbErr> {
    let kind = if unique { "UNIQUE INDEX" } else { "INDEX" };
    let statement = format!("CREATE {kind} {name} ON {table} ({columns}) WHERE {condition}");
    manager
        .get_connection()
        .execute_unprepared(&statement)
        .await?;
    Ok(())
}

/// Whether the database is PostgreSQL.
pub fn is_postgres(manager: &SchemaManager<'_>) -> bool {
    manager.get_database_backend() == DbBackend::Postgres
}
