//! A connection's mapping in the API: the same types are read and written.
//!
//! Lists stand where the entity has maps, because GraphQL has none; an entry that is there twice is refused. What a mapping may say is the engine's
//! to check. The parts of an order and of a chat came later: a client that does not know them leaves them as they are.

mod commerce;

pub use commerce::{ChatMapping, OrderMapping, OrderPartnerSource, PartnerChannel, PartnerOfValue};

use crate::graphql::deal::DealStage;
use crate::graphql::deal_partner::DealPartnerRole;
use crate::graphql::partnership::{PartnerType, PipelineStage};
use async_graphql::{Enum, InputObject, SimpleObject};
use entities::connection::mapping as model;
use entities::error::{Result, ViolationCode, Violations};
use std::collections::BTreeMap;

/// What is sent to the vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "model::PushMode")]
pub enum PushMode {
    /// Nothing.
    Off,
    /// Changes of records that the vendor has.
    Update,
    /// Those, and records that the vendor does not have.
    CreateAndUpdate,
}

/// Who wins where both sides changed a field to different values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "model::ConflictPolicy")]
pub enum ConflictPolicy {
    /// Our value; it is sent to the vendor.
    Ours,
    /// The vendor's value.
    Theirs,
    /// The value of the side that changed last.
    Newest,
    /// Neither until a person decides; see `syncConflicts`.
    Ask,
}

/// Fields of a partner that a property can feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "model::PartnerField")]
pub enum MappedPartnerField {
    /// The company's name.
    Name,
    /// Its internet domain.
    Domain,
    /// Its website.
    Website,
    /// Its country.
    Country,
    /// How many people work there.
    Employees,
    /// What it does.
    Description,
}

/// Fields of a customer that a property can feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "model::CustomerField")]
pub enum MappedCustomerField {
    /// The company's name.
    Name,
    /// Its internet domain.
    Domain,
    /// Its country.
    Country,
    /// Its industry or size class.
    Segment,
}

/// Fields of a contact that a property can feed. First and last name make up the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "model::ContactField")]
pub enum MappedContactField {
    /// The first name.
    FirstName,
    /// The last name.
    LastName,
    /// The e-mail address.
    Email,
    /// The telephone number.
    Phone,
    /// The position.
    Title,
}

/// Fields of a deal that a property can feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "model::DealField")]
pub enum MappedDealField {
    /// What is sold.
    Name,
    /// The stage.
    Stage,
    /// The pipeline the stage belongs to.
    Pipeline,
    /// What it is worth.
    Amount,
    /// The currency of the amount.
    Currency,
    /// The expected close of an open deal, the close of a closed one.
    CloseDate,
    /// Why it was lost.
    LostReason,
    /// Who looks after it.
    Owner,
    /// The products, separated by semicolons.
    Products,
}

/// The policy of one field.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "FieldPolicyInput")]
pub struct FieldPolicy {
    /// The field as conflicts name it: `name`, `owner.email`, `partners`.
    pub field: String,
    /// Who wins.
    pub policy: ConflictPolicy,
}

/// What is sent back of one kind of record, and who wins.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "ResourcePolicyInput")]
pub struct ResourcePolicy {
    /// What is sent.
    pub push: PushMode,
    /// Whether what is archived here is put away there too: archived in HubSpot, deleted in Salesforce, where an account takes its contacts and
    /// opportunities along. Otherwise the record stays there and the run says so (`NOT_ARCHIVED`). Left out of a new mapping, it stays as it is.
    pub archive: Option<bool>,
    /// Who wins where a field has no policy of its own.
    pub conflicts: ConflictPolicy,
    /// Fields with a policy of their own.
    pub fields: Vec<FieldPolicy>,
}

/// A property that, holding one of these values, makes a company a partner.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "PartnerWhenInput")]
pub struct PartnerWhen {
    /// The vendor's property.
    pub property: String,
    /// The values, compared exactly.
    pub values: Vec<String>,
}

/// The partnership that is imported with a new partner.
#[derive(Clone, Copy, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "ImportedPartnershipInput")]
pub struct ImportedPartnership {
    /// Its type.
    #[graphql(name = "type")]
    pub kind: PartnerType,
    /// Its stage.
    pub stage: PipelineStage,
}

/// The property that feeds a partner's field.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "PartnerFieldMappingInput")]
pub struct PartnerFieldMapping {
    /// Our field.
    pub field: MappedPartnerField,
    /// The vendor's property.
    pub property: String,
}

/// The property that feeds a customer's field.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "CustomerFieldMappingInput")]
pub struct CustomerFieldMapping {
    /// Our field.
    pub field: MappedCustomerField,
    /// The vendor's property.
    pub property: String,
}

/// The property that feeds a contact's field.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "ContactFieldMappingInput")]
pub struct ContactFieldMapping {
    /// Our field.
    pub field: MappedContactField,
    /// The vendor's property.
    pub property: String,
}

/// The property that feeds a deal's field.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "DealFieldMappingInput")]
pub struct DealFieldMapping {
    /// Our field.
    pub field: MappedDealField,
    /// The vendor's property.
    pub property: String,
}

/// What an open stage of the vendor means.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "StageMappingInput")]
pub struct StageMapping {
    /// The vendor's id of the stage.
    pub external_id: String,
    /// Our stage; an open one, for won and lost follow from the vendor's own stage.
    pub stage: DealStage,
}

/// What a label on the tie between a deal and a partner's company means.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "LabelMappingInput")]
pub struct LabelMapping {
    /// The vendor's label.
    pub label: String,
    /// The partner's role in the deal.
    pub role: DealPartnerRole,
    /// Its weight in basis points, 0 to 10,000.
    pub weight_bp: i32,
}

/// The person an owner of the vendor's stands for: the one who took over, or the one behind a shared account.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "OwnerMappingInput")]
pub struct OwnerMapping {
    /// The vendor's id of the owner.
    pub external_id: String,
    /// The person's name.
    pub name: Option<String>,
    /// The person's e-mail address. By it the owner is found there for a deal that is owned by this person here.
    pub email: Option<String>,
}

/// How companies become partners and customers.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "CompanyMappingInput")]
pub struct CompanyMapping {
    /// Which companies are partners; all others are customers.
    pub partner_when: PartnerWhen,
    /// The partnership a company brings along when it first becomes a partner.
    pub partnership: ImportedPartnership,
    /// What feeds a partner.
    pub partner_fields: Vec<PartnerFieldMapping>,
    /// What feeds a customer.
    pub customer_fields: Vec<CustomerFieldMapping>,
    /// What is sent back, and who wins.
    pub policy: ResourcePolicy,
}

/// How people become contacts.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "ContactMappingInput")]
pub struct ContactMapping {
    /// What feeds a contact.
    pub fields: Vec<ContactFieldMapping>,
    /// What is sent back, and who wins.
    pub policy: ResourcePolicy,
}

/// How deals become deals.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "DealMappingInput")]
pub struct DealMapping {
    /// What feeds a deal.
    pub fields: Vec<DealFieldMapping>,
    /// What the vendor's open stages mean.
    pub stages: Vec<StageMapping>,
    /// What the labels between deals and partners mean.
    pub labels: Vec<LabelMapping>,
    /// Owners who stand for somebody else than the vendor says. Left out of a new mapping, they stay as they are.
    pub owners: Option<Vec<OwnerMapping>>,
    /// What is sent back, and who wins.
    pub policy: ResourcePolicy,
}

/// How a vendor's records become ours, and ours the vendor's.
#[derive(Clone, Debug, SimpleObject, InputObject)]
#[graphql(input_name = "MappingInput")]
pub struct Mapping {
    /// Companies.
    pub company: CompanyMapping,
    /// People.
    pub contact: ContactMapping,
    /// Deals.
    pub deal: DealMapping,
    /// Orders of a shop. Left out of a new mapping, they stay as they are.
    pub order: Option<OrderMapping>,
    /// What is told in a chat. Left out of a new mapping, it stays as it is.
    pub chat: Option<ChatMapping>,
}

fn policy(of: &model::ResourcePolicy) -> ResourcePolicy {
    ResourcePolicy {
        push: of.push.into(),
        archive: Some(of.archive),
        conflicts: of.conflicts.into(),
        fields: of
            .fields
            .iter()
            .map(|(field, policy)| FieldPolicy {
                field: field.clone(),
                policy: (*policy).into(),
            })
            .collect(),
    }
}

/// A map as the entries of a list.
macro_rules! entries {
    ($map:expr, $entry:ident) => {
        $map.iter()
            .map(|(field, property)| $entry {
                field: (*field).into(),
                property: property.clone(),
            })
            .collect()
    };
}

impl From<&model::Mapping> for Mapping {
    fn from(of: &model::Mapping) -> Self {
        let (company, contact, deal) = (&of.company, &of.contact, &of.deal);
        Self {
            company: CompanyMapping {
                partner_when: PartnerWhen {
                    property: company.partner_when.property.clone(),
                    values: company.partner_when.values.iter().cloned().collect(),
                },
                partnership: ImportedPartnership {
                    kind: company.partnership.kind.into(),
                    stage: company.partnership.stage.into(),
                },
                partner_fields: entries!(company.partner_fields, PartnerFieldMapping),
                customer_fields: entries!(company.customer_fields, CustomerFieldMapping),
                policy: policy(&company.policy),
            },
            contact: ContactMapping {
                fields: entries!(contact.fields, ContactFieldMapping),
                policy: policy(&contact.policy),
            },
            deal: DealMapping {
                fields: entries!(deal.fields, DealFieldMapping),
                stages: deal
                    .stages
                    .iter()
                    .map(|(id, stage)| StageMapping {
                        external_id: id.clone(),
                        stage: (*stage).into(),
                    })
                    .collect(),
                labels: deal
                    .labels
                    .iter()
                    .map(|(label, meaning)| LabelMapping {
                        label: label.clone(),
                        role: meaning.role.into(),
                        weight_bp: meaning.weight_bp,
                    })
                    .collect(),
                owners: Some(
                    deal.owners
                        .iter()
                        .map(|(id, person)| OwnerMapping {
                            external_id: id.clone(),
                            name: person.name.clone(),
                            email: person.email.clone(),
                        })
                        .collect(),
                ),
                policy: policy(&deal.policy),
            },
            order: Some(OrderMapping::from(&of.order)),
            chat: Some(ChatMapping::from(&of.chat)),
        }
    }
}

/// The entries of a list as a map; one that is there twice is noted.
fn map<K: Ord, V>(
    entries: impl Iterator<Item = (K, V)>,
    path: &str,
    part: &str,
    found: &mut Violations,
) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    for (index, (key, value)) in entries.enumerate() {
        if map.insert(key, value).is_some() {
            found.add(
                ViolationCode::Taken,
                format!("mapping.{path}.{index}.{part}"),
                "This is in the list before.",
            );
        }
    }
    map
}

impl ResourcePolicy {
    fn into_model(
        self,
        resource: &str,
        known: &model::ResourcePolicy,
        found: &mut Violations,
    ) -> model::ResourcePolicy {
        let fields = self
            .fields
            .into_iter()
            .map(|entry| (entry.field, entry.policy.into()));
        model::ResourcePolicy {
            push: self.push.into(),
            archive: self.archive.unwrap_or(known.archive),
            conflicts: self.conflicts.into(),
            fields: map(fields, &format!("{resource}.policy.fields"), "field", found),
        }
    }
}

impl Mapping {
    /// The mapping as the engine has it; `known` is the one in effect, of which what this one does not speak of is kept.
    ///
    /// # Errors
    /// Violations where something is in a list twice, or names no partner.
    pub fn into_model(self, known: &model::Mapping) -> Result<model::Mapping> {
        let mut found = Violations::default();
        let Self {
            company,
            contact,
            deal,
            order,
            chat,
        } = self;
        macro_rules! fields {
            ($list:expr, $path:literal) => {
                map(
                    $list
                        .into_iter()
                        .map(|entry| (entry.field.into(), entry.property)),
                    $path,
                    "field",
                    &mut found,
                )
            };
        }
        let mapping = model::Mapping {
            company: model::CompanyMapping {
                partner_when: model::PartnerWhen {
                    property: company.partner_when.property,
                    values: company.partner_when.values.into_iter().collect(),
                },
                partnership: model::ImportedPartnership {
                    kind: company.partnership.kind.into(),
                    stage: company.partnership.stage.into(),
                },
                partner_fields: fields!(company.partner_fields, "company.partnerFields"),
                customer_fields: fields!(company.customer_fields, "company.customerFields"),
                policy: company
                    .policy
                    .into_model("company", &known.company.policy, &mut found),
            },
            contact: model::ContactMapping {
                fields: fields!(contact.fields, "contact.fields"),
                policy: contact
                    .policy
                    .into_model("contact", &known.contact.policy, &mut found),
            },
            deal: model::DealMapping {
                fields: fields!(deal.fields, "deal.fields"),
                stages: map(
                    deal.stages
                        .into_iter()
                        .map(|entry| (entry.external_id, entry.stage.into())),
                    "deal.stages",
                    "externalId",
                    &mut found,
                ),
                labels: map(
                    deal.labels.into_iter().map(|entry| {
                        let meaning = model::RoleMapping {
                            role: entry.role.into(),
                            weight_bp: entry.weight_bp,
                        };
                        (entry.label, meaning)
                    }),
                    "deal.labels",
                    "label",
                    &mut found,
                ),
                owners: match deal.owners {
                    Some(owners) => map(
                        owners.into_iter().map(|entry| {
                            let person = model::OwnerMapping {
                                name: entry.name,
                                email: entry.email,
                            };
                            (entry.external_id, person)
                        }),
                        "deal.owners",
                        "externalId",
                        &mut found,
                    ),
                    None => known.deal.owners.clone(),
                },
                policy: deal
                    .policy
                    .into_model("deal", &known.deal.policy, &mut found),
            },
            order: match order {
                Some(order) => order.into_model(&known.order, &mut found),
                None => known.order.clone(),
            },
            chat: match chat {
                Some(chat) => chat.into_model(&known.chat, &mut found),
                None => known.chat.clone(),
            },
        };
        found.finish()?;
        Ok(mapping)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use integrations::sync::default_mapping;

    fn usual() -> model::Mapping {
        default_mapping::mapping(integrations::hubspot::ID)
    }

    #[test]
    fn what_is_read_can_be_written_back() {
        let usual = usual();
        assert_eq!(Mapping::from(&usual).into_model(&usual).unwrap(), usual);
    }

    #[test]
    fn what_a_client_does_not_speak_of_stays_as_it_is() {
        let usual = usual();
        assert!(usual.deal.policy.archive);
        let mut silent = Mapping::from(&usual);
        silent.deal.policy.archive = None;
        silent.company.policy.archive = Some(false);
        let written = silent.into_model(&usual).unwrap();
        assert!(written.deal.policy.archive && !written.company.policy.archive);
    }

    #[test]
    fn an_entry_that_is_there_twice_is_refused_by_its_place() {
        let mut twice = Mapping::from(&usual());
        let first = twice.deal.labels.first().unwrap().clone();
        twice.deal.labels.push(first);
        let Err(entities::error::Error::Invalid(violations)) = twice.into_model(&usual()) else {
            unreachable!("it is refused");
        };
        let paths: Vec<&str> = violations
            .iter()
            .map(|violation| violation.field.as_str())
            .collect();
        assert_eq!(paths, ["mapping.deal.labels.1.label"]);
    }
}
