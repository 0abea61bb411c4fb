//! The form of an application: what is typed, how it is read, and how it is shown again with what is wrong.

use crate::http::page::{Field, Wrong, field};
use entities::domain_name::DomainName;
use entities::error::Violation;
use entities::id::ProgramId;
use entities::partner_application::NewApplication;
use entities::partnership::PartnerType;
use maud::{Markup, html};
use serde::Deserialize;

/// The types a company can choose from: as a form sends each, and as a person reads it.
const TYPES: [(&str, PartnerType, &str); 9] = [
    (
        "TECHNOLOGY",
        PartnerType::Technology,
        "Our products work together",
    ),
    (
        "INTEGRATION",
        PartnerType::Integration,
        "We build integrations",
    ),
    ("CHANNEL", PartnerType::Channel, "We sell your product"),
    (
        "DISTRIBUTION",
        PartnerType::Distribution,
        "We distribute to resellers",
    ),
    ("CONSULTING", PartnerType::Consulting, "We advise customers"),
    ("REFERRAL", PartnerType::Referral, "We refer customers"),
    ("CONTENT", PartnerType::Content, "We make content"),
    (
        "STRATEGIC",
        PartnerType::Strategic,
        "We shape the direction together",
    ),
    (
        "INDUSTRY",
        PartnerType::Industry,
        "We are an association or an institution",
    ),
];

/// What was typed.
#[derive(Default, Deserialize)]
pub(super) struct ApplicationForm {
    company: String,
    website: String,
    country: String,
    kind: String,
    person: String,
    email: String,
    message: String,
}

/// Which input a violation is about.
fn input_of(field: &str) -> Option<&'static str> {
    match field {
        "companyName" => Some("company"),
        "domain" | "website" => Some("website"),
        "country" => Some("country"),
        "type" => Some("kind"),
        "contactName" => Some("person"),
        "contactEmail" => Some("email"),
        "message" => Some("message"),
        _ => None,
    }
}

/// What was refused, in the words of the page.
pub(super) fn wrongs(violations: Vec<Violation>) -> Vec<Wrong> {
    let wrong = |violation: Violation| Wrong {
        field: input_of(&violation.field),
        message: violation.message,
    };
    violations.into_iter().map(wrong).collect()
}

impl ApplicationForm {
    /// The application that was typed, or what of it cannot be read.
    pub(super) fn read(&self, program_id: ProgramId) -> Result<NewApplication, Vec<Wrong>> {
        let mut wrongs = Vec::new();
        let kind = TYPES.iter().find(|(sent, ..)| *sent == self.kind);
        if kind.is_none() {
            wrongs.push(Wrong::with("kind", "Choose what you want to do with us."));
        }
        let website = self.website.trim();
        let domain = website.parse::<DomainName>().ok();
        if !website.is_empty() && domain.is_none() {
            wrongs.push(Wrong::with("website", "This is no address of a website."));
        }
        let country = self.country.trim().to_ascii_uppercase();
        let email = self.email.trim();
        match kind {
            Some((_, kind, _)) if wrongs.is_empty() => Ok(NewApplication {
                program_id,
                kind: *kind,
                company_name: self.company.clone(),
                domain,
                website: None,
                country: (!country.is_empty()).then_some(country),
                employees: None,
                contact_name: self.person.clone(),
                contact_email: (!email.is_empty()).then(|| email.to_owned()),
                message: self.message.clone(),
            }),
            _ => Err(wrongs),
        }
    }

    /// The inputs, with what was typed before and what is wrong with it.
    pub(super) fn inputs(&self, wrongs: &[Wrong]) -> Markup {
        let text = |name, label, autocomplete, value| {
            let asked = Field {
                name,
                label,
                kind: if name == "email" { "email" } else { "text" },
                autocomplete,
                hint: None,
                value: Some(value),
            };
            field(&asked, wrongs)
        };
        html! {
            (text("company", "Company", "organization", self.company.as_str()))
            (optional("website", "Website", "url", "Such as acme.com; may be left out.", &self.website, wrongs))
            (optional("country", "Country", "country", "Two letters, such as DE; may be left out.", &self.country, wrongs))
            (self.choice(wrongs))
            (text("person", "Your name", "name", self.person.as_str()))
            (text("email", "Work e-mail address", "email", self.email.as_str()))
            (self.words(wrongs))
        }
    }

    fn choice(&self, wrongs: &[Wrong]) -> Markup {
        let wrong = wrongs.iter().find(|wrong| wrong.field == Some("kind"));
        html! {
            div.field {
                label for="kind" { "What do you want to do with us?" }
                @if let Some(wrong) = wrong { p.wrong #kind-wrong { (wrong.message) } }
                select #kind name="kind" required aria-describedby=[wrong.map(|_| "kind-wrong")] aria-invalid=[wrong.map(|_| "true")] {
                    option value="" { "Choose" }
                    @for (sent, _, shown) in TYPES {
                        option value=(sent) selected[self.kind == sent] { (shown) }
                    }
                }
            }
        }
    }

    fn words(&self, wrongs: &[Wrong]) -> Markup {
        let wrong = wrongs.iter().find(|wrong| wrong.field == Some("message"));
        html! {
            div.field {
                label for="message" { "What do you have in mind?" }
                @if let Some(wrong) = wrong { p.wrong #message-wrong { (wrong.message) } }
                textarea #message name="message" rows="6" maxlength="5000" required
                    aria-describedby=[wrong.map(|_| "message-wrong")] aria-invalid=[wrong.map(|_| "true")] { (self.message) }
            }
        }
    }
}

/// An input that may stay empty.
fn optional(
    name: &'static str,
    label: &str,
    autocomplete: &'static str,
    hint: &str,
    value: &str,
    wrongs: &[Wrong],
) -> Markup {
    let wrong = wrongs.iter().find(|wrong| wrong.field == Some(name));
    let (hint_id, wrong_id) = (format!("{name}-hint"), format!("{name}-wrong"));
    let described = if wrong.is_some() {
        format!("{hint_id} {wrong_id}")
    } else {
        hint_id.clone()
    };
    html! {
        div.field {
            label for=(name) { (label) }
            p.hint id=(hint_id) { (hint) }
            @if let Some(wrong) = wrong { p.wrong id=(wrong_id) { (wrong.message) } }
            input id=(name) name=(name) type="text" autocomplete=(autocomplete) value=(value)
                aria-describedby=(described) aria-invalid=[wrong.map(|_| "true")] spellcheck="false" autocapitalize="none";
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use entities::id::TypedId as _;

    fn typed() -> ApplicationForm {
        ApplicationForm {
            company: "Acme".to_owned(),
            website: "https://www.Acme.example/about".to_owned(),
            country: " de ".to_owned(),
            kind: "CHANNEL".to_owned(),
            person: "Ada".to_owned(),
            email: " ada@acme.example ".to_owned(),
            message: "Hello".to_owned(),
        }
    }

    #[test]
    fn what_is_typed_is_read_and_what_cannot_be_is_named() {
        let program = ProgramId::from_uuid(uuid::Uuid::nil());
        let read = typed().read(program).unwrap();
        assert_eq!(read.domain.unwrap().as_str(), "acme.example");
        assert_eq!(read.country.as_deref(), Some("DE"));
        assert_eq!(read.contact_email.as_deref(), Some("ada@acme.example"));
        assert_eq!(read.kind, PartnerType::Channel);
        let wrong = ApplicationForm {
            website: "not a site".to_owned(),
            kind: "ADMIN".to_owned(),
            ..typed()
        };
        let wrongs = wrong.read(program).unwrap_err();
        let fields: Vec<_> = wrongs.iter().map(|wrong| wrong.field.unwrap()).collect();
        assert_eq!(fields, ["kind", "website"]);
        let empty = ApplicationForm {
            website: String::new(),
            ..typed()
        };
        assert_eq!(empty.read(program).unwrap().domain, None);
    }

    #[test]
    fn what_is_shown_again_is_text() {
        let hostile = ApplicationForm {
            company: "\"><script>x</script>".to_owned(),
            website: "'><img>".to_owned(),
            message: "</textarea><script>x</script>".to_owned(),
            ..typed()
        };
        let shown = hostile.inputs(&[]).into_string();
        assert!(
            !shown.contains("<script") && !shown.contains("<img"),
            "{shown}"
        );
        assert!(shown.contains(r#"<option value="CHANNEL" selected>"#));
        assert_eq!(shown.matches("</textarea>").count(), 1);
    }
}
