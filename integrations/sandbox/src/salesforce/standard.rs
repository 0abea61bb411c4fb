//! The standard objects a partner platform reads, as a new org has them.

use super::options::SalesforceFeatures;
use super::schema::{Child, FieldKind, Object, SalesforceField, Schema};

use FieldKind::{
    Boolean, Currency, Date, DateTime, Double, Email, Id, Int, Percent, Phone, String as Text,
    TextArea, Url,
};

/// The external id field that an admin adds for the connector.
pub const REFERENCE_FIELD: &str = "Entente_Reference__c";

/// Name, closed, won, probability, forecast category: the stages of a new org.
pub(crate) const STAGES: [(&str, bool, bool, f64, &str); 10] = [
    ("Prospecting", false, false, 10.0, "Pipeline"),
    ("Qualification", false, false, 10.0, "Pipeline"),
    ("Needs Analysis", false, false, 20.0, "Pipeline"),
    ("Value Proposition", false, false, 50.0, "Pipeline"),
    ("Id. Decision Makers", false, false, 60.0, "Pipeline"),
    ("Perception Analysis", false, false, 70.0, "Pipeline"),
    ("Proposal/Price Quote", false, false, 75.0, "Best Case"),
    ("Negotiation/Review", false, false, 90.0, "Commit"),
    ("Closed Won", true, true, 100.0, "Closed"),
    ("Closed Lost", true, false, 0.0, "Omitted"),
];

const INDUSTRIES: [&str; 8] = [
    "Banking",
    "Energy",
    "Healthcare",
    "Manufacturing",
    "Media",
    "Retail",
    "Technology",
    "Transportation",
];
const ROLES: [&str; 8] = [
    "System Integrator",
    "Agency",
    "Advertiser",
    "VAR/Reseller",
    "Distributor",
    "Developer",
    "Broker",
    "Supplier",
];

fn field(name: &str, kind: FieldKind) -> SalesforceField {
    SalesforceField::new(name, kind)
}

fn object(name: &str, plural: &str, prefix: &str, own: Vec<SalesforceField>) -> Object {
    let mut fields = vec![
        field("Id", Id).read_only(),
        field("IsDeleted", Boolean).read_only(),
    ];
    fields.extend(own);
    fields.extend([
        field("CreatedDate", DateTime).read_only(),
        SalesforceField::reference("CreatedById", "User").read_only(),
        field("LastModifiedDate", DateTime).read_only(),
        SalesforceField::reference("LastModifiedById", "User").read_only(),
        field("SystemModstamp", DateTime).read_only(),
    ]);
    Object {
        name: name.to_owned(),
        plural: plural.to_owned(),
        prefix: prefix.to_owned(),
        fields,
        children: Vec::new(),
        createable: true,
        updateable: true,
        deletable: true,
        replicateable: true,
        mergeable: false,
    }
}

/// An object that admins set up and the API only reads.
fn read_only(mut object: Object) -> Object {
    object.createable = false;
    object.updateable = false;
    object.deletable = false;
    object.replicateable = false;
    object.fields.retain(|field| field.name != "IsDeleted");
    object
}

fn child(relationship: &str, object: &str, field: &str) -> Child {
    Child {
        relationship: relationship.to_owned(),
        object: object.to_owned(),
        field: field.to_owned(),
    }
}

/// The schema of a new org.
pub(crate) fn schema(features: &SalesforceFeatures) -> Schema {
    let mut schema = Schema::default();
    for object in [
        account(features),
        contact(features),
        opportunity(features),
        partner(),
        contact_role(),
        lead(),
        stage(),
        user(),
        organization(),
    ] {
        schema.add(object);
    }
    if features.multi_currency {
        schema.add(currency_type());
        for name in ["Account", "Contact", "Opportunity", "Lead"] {
            let codes = SalesforceField::picklist("CurrencyIsoCode", &["USD", "EUR", "JPY"]);
            push(&mut schema, name, codes.restricted().length(3));
        }
    }
    if features.reference_field {
        for name in ["Account", "Contact", "Opportunity", "Lead"] {
            let reference = field(REFERENCE_FIELD, Text).external_id(true);
            push(&mut schema, name, reference);
        }
    }
    schema
}

fn push(schema: &mut Schema, object: &str, field: SalesforceField) {
    if let Some(object) = schema.object_mut(object) {
        object.fields.push(field);
    }
}

fn account(features: &SalesforceFeatures) -> Object {
    let types = [
        "Prospect",
        "Customer - Direct",
        "Customer - Channel",
        "Channel Partner / Reseller",
        "Installation Partner",
        "Technology Partner",
        "Other",
    ];
    let mut own = vec![
        SalesforceField::reference("MasterRecordId", "Account").read_only(),
        field("Name", Text).required(),
        SalesforceField::picklist("Type", &types),
        SalesforceField::reference("ParentId", "Account"),
        field("AccountNumber", Text).length(40),
        field("BillingStreet", TextArea).length(255),
        field("BillingCity", Text).length(40),
        field("BillingState", Text).length(80),
        field("BillingPostalCode", Text).length(20),
        field("BillingCountry", Text).length(80),
        field("Phone", Phone),
        field("Website", Url),
        SalesforceField::picklist("Industry", &INDUSTRIES),
        field("AnnualRevenue", Currency),
        field("NumberOfEmployees", Int),
        field("Description", TextArea),
        SalesforceField::reference("OwnerId", "User"),
    ];
    if features.partner_users {
        own.push(field("IsPartner", Boolean));
    }
    if features.person_accounts {
        own.extend([
            field("IsPersonAccount", Boolean).read_only(),
            field("FirstName", Text).length(40),
            field("LastName", Text).length(80),
            field("PersonEmail", Email),
            SalesforceField::reference("PersonContactId", "Contact").read_only(),
        ]);
    }
    let mut object = object("Account", "Accounts", "001", own);
    object.mergeable = true;
    object.children = vec![
        child("Contacts", "Contact", "AccountId"),
        child("Opportunities", "Opportunity", "AccountId"),
        child("OpportunityPartnersTo", "OpportunityPartner", "AccountToId"),
        child("ChildAccounts", "Account", "ParentId"),
    ];
    object
}

fn contact(features: &SalesforceFeatures) -> Object {
    let mut own = vec![
        SalesforceField::reference("MasterRecordId", "Contact").read_only(),
        SalesforceField::reference("AccountId", "Account"),
        field("LastName", Text).length(80).required(),
        field("FirstName", Text).length(40),
        field("Name", Text).length(121).read_only(),
        field("Email", Email),
        field("Phone", Phone),
        field("MobilePhone", Phone),
        field("Title", Text).length(128),
        field("Department", Text).length(80),
        field("MailingCity", Text).length(40),
        field("MailingCountry", Text).length(80),
        field("Description", TextArea),
        SalesforceField::reference("OwnerId", "User"),
    ];
    if features.person_accounts {
        own.push(field("IsPersonAccount", Boolean).read_only());
    }
    let mut object = object("Contact", "Contacts", "003", own);
    object.mergeable = true;
    object.children = vec![child(
        "OpportunityContactRoles",
        "OpportunityContactRole",
        "ContactId",
    )];
    object
}

fn opportunity(features: &SalesforceFeatures) -> Object {
    let stages: Vec<&str> = STAGES.iter().map(|stage| stage.0).collect();
    let mut own = vec![
        SalesforceField::reference("AccountId", "Account"),
        field("Name", Text).length(120).required(),
        field("Description", TextArea),
        SalesforceField::picklist("StageName", &stages).required(),
        field("Amount", Currency),
        field("Probability", Percent),
        field("CloseDate", Date).required(),
        SalesforceField::picklist("Type", &["New Customer", "Existing Customer - Upgrade"]),
        field("NextStep", Text),
        SalesforceField::picklist("LeadSource", &["Web", "Partner Referral", "Other"]),
        field("IsClosed", Boolean).read_only(),
        field("IsWon", Boolean).read_only(),
        SalesforceField::picklist("ForecastCategoryName", &["Pipeline", "Closed"]).read_only(),
        field("IsPrivate", Boolean),
        SalesforceField::reference("ContactId", "Contact").create_only(),
        SalesforceField::reference("OwnerId", "User"),
    ];
    if features.partner_users {
        own.push(SalesforceField::reference("PartnerAccountId", "Account").read_only());
    }
    let mut object = object("Opportunity", "Opportunities", "006", own);
    object.children = vec![
        child(
            "OpportunityPartnersFrom",
            "OpportunityPartner",
            "OpportunityId",
        ),
        child(
            "OpportunityContactRoles",
            "OpportunityContactRole",
            "OpportunityId",
        ),
    ];
    object
}

/// It can be made and deleted, but neither changed nor asked for by `getDeleted`.
fn partner() -> Object {
    let own = vec![
        SalesforceField::reference("OpportunityId", "Opportunity")
            .create_only()
            .required(),
        SalesforceField::reference("AccountToId", "Account")
            .create_only()
            .required(),
        SalesforceField::picklist("Role", &ROLES).create_only(),
        field("IsPrimary", Boolean).create_only(),
        SalesforceField::reference("ReversePartnerId", "OpportunityPartner").read_only(),
    ];
    let mut object = object("OpportunityPartner", "Opportunity Partners", "00I", own);
    object.updateable = false;
    object.replicateable = false;
    object
}

fn contact_role() -> Object {
    let own = vec![
        SalesforceField::reference("OpportunityId", "Opportunity")
            .create_only()
            .required(),
        SalesforceField::reference("ContactId", "Contact").required(),
        SalesforceField::picklist("Role", &["Decision Maker", "Evaluator", "Other"]),
        field("IsPrimary", Boolean),
    ];
    object(
        "OpportunityContactRole",
        "Opportunity Contact Roles",
        "00K",
        own,
    )
}

fn lead() -> Object {
    let own = vec![
        SalesforceField::reference("MasterRecordId", "Lead").read_only(),
        field("LastName", Text).length(80).required(),
        field("FirstName", Text).length(40),
        field("Name", Text).length(121).read_only(),
        field("Company", Text).required(),
        field("Title", Text).length(128),
        field("Email", Email),
        field("Phone", Phone),
        field("Website", Url),
        SalesforceField::picklist("LeadSource", &["Web", "Partner Referral", "Other"]),
        SalesforceField::picklist(
            "Status",
            &[
                "Open - Not Contacted",
                "Working - Contacted",
                "Closed - Converted",
                "Closed - Not Converted",
            ],
        ),
        SalesforceField::picklist("Industry", &INDUSTRIES),
        field("Country", Text).length(80),
        field("Description", TextArea),
        SalesforceField::reference("OwnerId", "User"),
        field("IsConverted", Boolean).read_only(),
        field("ConvertedDate", Date).read_only(),
        SalesforceField::reference("ConvertedAccountId", "Account").read_only(),
        SalesforceField::reference("ConvertedContactId", "Contact").read_only(),
        SalesforceField::reference("ConvertedOpportunityId", "Opportunity").read_only(),
    ];
    let mut object = object("Lead", "Leads", "00Q", own);
    object.mergeable = true;
    object
}

fn stage() -> Object {
    let own = vec![
        field("MasterLabel", Text),
        field("ApiName", Text),
        field("IsActive", Boolean),
        field("SortOrder", Int),
        field("IsClosed", Boolean),
        field("IsWon", Boolean),
        field("DefaultProbability", Percent),
        field("ForecastCategoryName", Text),
    ];
    read_only(object("OpportunityStage", "Opportunity Stage", "01J", own))
}

fn user() -> Object {
    let own = vec![
        field("Username", Text).length(80).required(),
        field("LastName", Text).length(80).required(),
        field("FirstName", Text).length(40),
        field("Name", Text).length(121),
        field("Email", Email).required(),
        field("IsActive", Boolean),
        SalesforceField::picklist("UserType", &["Standard", "PowerPartner"]),
        SalesforceField::reference("AccountId", "Account"),
        field("TimeZoneSidKey", Text).length(40),
        field("LocaleSidKey", Text).length(40),
    ];
    read_only(object("User", "Users", "005", own))
}

fn organization() -> Object {
    let own = vec![
        field("Name", Text).length(80),
        field("InstanceName", Text).length(5),
        field("IsSandbox", Boolean),
        field("OrganizationType", Text).length(40),
        field("DefaultLocaleSidKey", Text).length(40),
        field("LanguageLocaleKey", Text).length(40),
        field("TimeZoneSidKey", Text).length(40),
        field("Country", Text).length(80),
    ];
    read_only(object("Organization", "Organizations", "00D", own))
}

fn currency_type() -> Object {
    let own = vec![
        field("IsoCode", Text).length(3),
        field("ConversionRate", Double),
        field("DecimalPlaces", Int),
        field("IsActive", Boolean),
        field("IsCorporate", Boolean),
    ];
    read_only(object("CurrencyType", "Currency Types", "01L", own))
}
