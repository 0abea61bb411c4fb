//! Customers by their name as claims of accounts are compared: without case, punctuation and legal form. Databases fold only ASCII alike, so the
//! comparison is made when the name is written and not when it is looked for.

use crate::table::Of::Text;
use crate::table::{column, index};
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::ConnectionTrait;
use sea_orm_migration::sea_orm::prelude::Uuid;

/// Customers that are read and written at once.
const AT_ONCE: u64 = 250;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        crate::IN_ONE_TRANSACTION
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let key = column("name_key", Text).default("").take();
        let mut table = Table::alter();
        manager
            .alter_table(table.table("customer").add_column(key).take())
            .await?;
        fill(manager).await?;
        index(manager, "customer", &["name_key"]).await?;
        let old = "DROP INDEX ix_customer_lower_name";
        manager.get_connection().execute_unprepared(old).await?;
        Ok(())
    }
}

/// Writes the keys of the customers there are.
async fn fill(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    let mut last: Option<Uuid> = None;
    loop {
        let mut select = Query::select();
        select
            .columns(["id", "name"])
            .from("customer")
            .order_by("id", Order::Asc)
            .limit(AT_ONCE);
        if let Some(last) = last {
            select.and_where(Expr::col("id").gt(last));
        }
        let rows = connection.query_all(&select).await?;
        let mut keys = CaseStatement::new();
        let mut ids = Vec::with_capacity(rows.len());
        for row in rows {
            let (id, name): (Uuid, String) = (row.try_get("", "id")?, row.try_get("", "name")?);
            keys = keys.case(Expr::col("id").eq(id), Expr::val(bare_name(&name)));
            ids.push(id);
        }
        last = ids.last().copied();
        if last.is_none() {
            return Ok(());
        }
        let mut update = Query::update();
        update
            .table("customer")
            .value("name_key", keys.finally(""))
            .and_where(Expr::col("id").is_in(ids));
        connection.execute(&update).await?;
    }
}

/// Legal forms, as they stood at the end of a name when this was written.
const FORMS: &str = " inc incorporated corp corporation co company llc llp lp ltd limited plc pbc gmbh mbh ag kg kgaa ohg gbr ug ev eg se sa sas sasu \
                     sarl eurl srl spa sl slu bv nv cv vof ab oy oyj as asa aps sro zoo kft pty pte pvt kk ltda holding and ";

/// A name without case, punctuation and legal form, as it was compared when this was written.
fn bare_name(name: &str) -> String {
    let mut spelled = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '.' | '\'' | '’' => {}
            '&' | '+' => spelled.push_str(" and "),
            letter if letter.is_alphanumeric() => spelled.extend(letter.to_lowercase()),
            _ => spelled.push(' '),
        }
    }
    let mut words: Vec<&str> = spelled.split_whitespace().collect();
    if words.len() > 1 && words.first() == Some(&"the") {
        words.remove(0);
    }
    while words.len() > 1
        && words
            .last()
            .is_some_and(|last| FORMS.contains(&format!(" {last} ")))
    {
        words.pop();
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::bare_name;

    #[test]
    fn names_are_compared_without_what_they_differ_in() {
        for (spelled, bare) in [
            ("Acme GmbH & Co. KG", "acme"),
            ("L'Oréal S.A.", "loréal"),
            ("The Österreichische Post AG", "österreichische post"),
            ("McDonald’s", "mcdonalds"),
            ("AG", "ag"),
        ] {
            assert_eq!(bare_name(spelled), bare, "{spelled}");
        }
    }
}
