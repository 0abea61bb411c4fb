//! What the tables hold of each side, whoever wrote it: every id, and every sum that was computed. So a row that the product itself made, an entry of a
//! ledger or an obligation, is as much a canary as one that the world made by hand.

use super::core::Tender;
use crate::mirror::Side;
use entities::id::{AgreementId, PartnerId};
use entities::obligation::ObligationKind;
use entities::viewer::Viewer;
use entities::visible::Visible as _;
use entities::*;
use std::collections::BTreeMap;
use tests::TestApp;

/// What was found of one side.
#[derive(Default)]
pub struct Gathered {
    /// The ids of its rows.
    pub ids: Vec<String>,
    /// Those of its rows that only the programme reads.
    pub internal: Vec<String>,
    /// Its sums, as answers show them.
    pub numbers: Vec<String>,
    /// A row of each kind that the world did not make by hand.
    pub rows: BTreeMap<&'static str, String>,
}

fn decimal(minor: i64) -> String {
    let sign = if minor < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", minor.abs() / 100, minor.abs() % 100)
}

impl Gathered {
    fn id(&mut self, id: impl ToString) {
        self.ids.push(id.to_string());
    }

    fn hidden(&mut self, id: impl ToString) {
        self.internal.push(id.to_string());
        self.ids.push(id.to_string());
    }

    fn sums(&mut self, sums: impl IntoIterator<Item = i64>) {
        // What is small may be anything; a sum of this world is large.
        let sums = sums.into_iter().filter(|minor| minor.abs() > 1_000);
        let shown = sums.flat_map(|minor| [decimal(minor), minor.to_string()]);
        self.numbers.extend(shown);
    }
}

/// Reads what there is of a side.
pub async fn of_side(app: &TestApp, side: &Side) -> Gathered {
    let system = Viewer::system("world");
    let read = app.database().read();
    let own: PartnerId = side.partner.id;
    let mut found = Gathered {
        numbers: Tender::of(side.mark).shown(),
        ..Gathered::default()
    };
    macro_rules! each {
        ($($table:ident)::+, $row:ident, $is_own:expr, $then:expr) => {
            for $row in entities::$($table)::+::Entity::visible_to(&system).all(read).await.unwrap() {
                if $is_own {
                    $then;
                }
            }
        };
    }
    let mut agreements: Vec<AgreementId> = Vec::new();
    each!(agreement, row, row.partner_id == own, {
        agreements.push(row.id);
        if row.status == agreement::AgreementStatus::Draft {
            found.hidden(row.id);
        } else {
            found.id(row.id);
        }
    });
    each!(
        agreement_version,
        row,
        agreements.contains(&row.agreement_id),
        found.id(row.id)
    );
    each!(
        agreement_signature,
        row,
        agreements.contains(&row.agreement_id),
        found.id(row.id)
    );
    each!(
        sla_measurement,
        row,
        row.partner_id == own,
        found.id(row.id)
    );
    each!(obligation, row, row.partner_id == own, {
        if row.kind == ObligationKind::RenewalDecision {
            found.hidden(row.id);
        } else {
            if row.kind == ObligationKind::Attestation {
                found.rows.insert("Obligation", row.id.to_string());
            }
            found.id(row.id);
        }
    });
    let mut programs = Vec::new();
    each!(program_enrollment, row, row.partner_id == own, {
        programs.push(row.program_id);
        found.id(row.id);
    });
    each!(program, row, programs.contains(&row.id), found.id(row.id));
    each!(
        tier,
        row,
        programs.contains(&row.program_id),
        found.id(row.id)
    );
    each!(
        tier_assignment,
        row,
        row.partner_id == own,
        found.id(row.id)
    );
    each!(
        commission_rule,
        row,
        row.program_id.is_some_and(|id| programs.contains(&id)),
        {
            found.rows.insert("CommissionRule", row.id.to_string());
            found.hidden(row.id);
        }
    );
    each!(ledger_entry, row, row.partner_id == own, {
        found.sums([row.amount_minor]);
        found.id(row.id);
    });
    each!(ledger_dispute, row, row.partner_id == own, found.id(row.id));
    each!(statement, row, row.partner_id == own, {
        found.sums([
            row.opening_minor,
            row.earned_minor,
            row.clawed_back_minor,
            row.paid_minor,
            row.closing_minor,
        ]);
        found.id(row.id);
    });
    each!(payout, row, row.partner_id == own, {
        found.sums([row.amount_minor]);
        if row.approved_at.is_some() {
            found.rows.insert("Payout", row.id.to_string());
            found.id(row.id);
        } else {
            found.hidden(row.id);
        }
    });
    each!(commitment_year, row, row.partner_id == own, {
        let year = &row.counters.0;
        found.sums([
            year.net().unwrap(),
            year.commission_held(),
            year.bonus_held(),
        ]);
        found.id(row.id);
    });
    each!(
        deal_registration,
        row,
        row.partner_id == own,
        found.id(row.id)
    );
    let mut partnerships = Vec::new();
    each!(
        partnership,
        row,
        row.partner_id == own,
        partnerships.push(row.id)
    );
    let mut applications = Vec::new();
    each!(
        partner_application,
        row,
        row.partner_id == Some(own),
        applications.push(row.id)
    );
    each!(
        assessment,
        row,
        row.application_id
            .is_some_and(|id| applications.contains(&id))
            || row
                .partnership_id
                .is_some_and(|id| partnerships.contains(&id)),
        found.hidden(row.id)
    );
    each!(activity, row, row.partner_id == own, {
        if row.summary.is_some() {
            found.rows.insert("Activity", row.id.to_string());
            found.id(row.id);
        } else {
            found.hidden(row.id);
        }
    });
    each!(
        onboarding_task,
        row,
        row.partner_id == own,
        found.id(row.id)
    );
    each!(partner_application, row, row.partner_id == Some(own), {
        if row.internal_note.is_some() {
            found.rows.insert("PartnerApplication", row.id.to_string());
        }
        found.id(row.id);
    });
    each!(registration_note, row, row.partner_id == own, {
        if row.internal {
            found.hidden(row.id);
        } else {
            found.id(row.id);
        }
    });
    each!(partnership, row, row.partner_id == own, found.id(row.id));
    each!(revenue_event, row, row.partner_id == Some(own), {
        found.sums([row.amount_minor]);
        found.id(row.id);
    });
    let mut people = Vec::new();
    each!(user, row, row.partner_id == Some(own), {
        people.push(row.id);
        found.id(row.id);
    });
    each!(
        oauth_client,
        row,
        row.partner_id == Some(own),
        found.id(row.id)
    );
    each!(
        oauth_grant,
        row,
        people.contains(&row.user_id),
        found.id(row.id)
    );
    each!(
        identity_provider,
        row,
        row.partner_id == own,
        found.id(row.id)
    );
    for balance in ledger_entry::balances(read, &system, &[own]).await.unwrap() {
        found.sums([balance.minor]);
    }
    found
}
