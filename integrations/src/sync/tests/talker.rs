//! The vendor in memory, where people talk: what was said, and the ways in which saying it fails. And what vendors tell besides records.

use super::vendor::Vendor;
use crate::connector::*;
use async_trait::async_trait;
use std::collections::VecDeque;
use url::Url;

/// What becomes of a message on its way.
pub(super) enum Slip {
    /// Nothing is posted.
    Refused(ConnectorError),
    /// It is posted, and the answer is lost on the way.
    Lost,
    /// It is posted, and the answer never comes.
    Silent,
}

/// What was said.
#[derive(Default)]
pub(super) struct Talk {
    /// Every message that is there, as it now is.
    pub(super) messages: Vec<(Posted, ChatMessage)>,
    /// What the next messages meet.
    pub(super) slips: VecDeque<Slip>,
    /// How often something was posted, put right and looked for.
    pub(super) posts: usize,
    pub(super) updates: usize,
    pub(super) looks: usize,
    /// Nobody may look.
    pub(super) blind: bool,
}

impl Vendor {
    /// The messages of a channel.
    pub(super) fn said(&self, channel: &str) -> Vec<ChatMessage> {
        let talk = self.talk.lock().unwrap();
        let here = talk.messages.iter().filter(|(at, _)| at.channel == channel);
        here.map(|(_, message)| message.clone()).collect()
    }

    pub(super) fn slip(&self, slip: Slip) {
        self.talk.lock().unwrap().slips.push_back(slip);
    }

    /// What a press of a button below the last message of a channel tells.
    pub(super) fn press(&self, channel: &str, action: &str, user: &str) -> String {
        let talk = self.talk.lock().unwrap();
        let mut here = talk.messages.iter().filter(|(at, _)| at.channel == channel);
        let (at, message) = here.next_back().unwrap();
        let value = &message.reference;
        let message = &at.external_id;
        format!("{action}|{value}|{user}|{channel}|{message}|{user}{action}{value}")
    }
}

#[async_trait]
impl Notify for Vendor {
    async fn post(&self, _: &Context<'_>, message: &ChatMessage) -> Result<Posted> {
        let slip = {
            let mut talk = self.talk.lock().unwrap();
            talk.posts += 1;
            talk.slips.pop_front()
        };
        if let Some(Slip::Refused(error)) = slip {
            return Err(error);
        }
        let posted = {
            let mut talk = self.talk.lock().unwrap();
            let posted = Posted {
                channel: message.channel.clone(),
                external_id: format!("m{}", talk.messages.len()),
            };
            talk.messages.push((posted.clone(), message.clone()));
            posted
        };
        match slip {
            Some(Slip::Lost) => Err(ConnectorError::transient("internal_error")),
            Some(Slip::Silent) => std::future::pending().await,
            _ => Ok(posted),
        }
    }
    async fn update(&self, _: &Context<'_>, posted: &Posted, message: &ChatMessage) -> Result<()> {
        let mut talk = self.talk.lock().unwrap();
        talk.updates += 1;
        let known = talk.messages.iter_mut().find(|(at, _)| at == posted);
        match known {
            Some((_, said)) => *said = message.clone(),
            None => return Err(ConnectorError::permanent("message_not_found", "no")),
        }
        Ok(())
    }
    async fn find(
        &self,
        _: &Context<'_>,
        channel: &str,
        reference: &str,
        _: i64,
    ) -> Result<Option<Posted>> {
        let mut talk = self.talk.lock().unwrap();
        talk.looks += 1;
        if talk.blind {
            return Err(ConnectorError::permanent(
                crate::notify::CANNOT_LOOK,
                "missing_scope",
            ));
        }
        let mut there = talk.messages.iter();
        let found = there.find(|(at, said)| at.channel == channel && said.reference == reference);
        Ok(found.map(|(at, _)| at.clone()))
    }
    async fn channels(&self, _: &Context<'_>) -> Result<Vec<Channel>> {
        Ok(vec![Channel {
            external_id: "C1".to_owned(),
            name: "deals".to_owned(),
            is_member: true,
        }])
    }
}

#[async_trait]
impl Subscriptions for Vendor {
    async fn ensure(&self, _: &Context<'_>, target: &Url) -> Result<Ensured> {
        if let Some(failure) = self.state.lock().unwrap().failures.pop_front() {
            return Err(failure);
        }
        let mut subscribed = self.subscribed.lock().unwrap();
        let subscribed = subscribed.get_or_insert_default();
        let topics = ["orders", "refunds"].map(|topic| format!("{topic} {target}"));
        let made: Vec<String> = topics
            .into_iter()
            .filter(|topic| subscribed.insert(topic.clone()))
            .collect();
        let kept = subscribed.len() - made.len();
        Ok(Ensured { made, kept })
    }
}

/// Reads what is told besides records: `account`, `privacy` or `action`, and words about it.
pub(super) fn read(all: &mut Signals, tenant: &str, what: &str, said: &str) {
    let words: Vec<&str> = said.split('|').collect();
    let word = |place: usize| words.get(place).copied().unwrap_or_default().to_owned();
    let some = |place: usize| Some(word(place)).filter(|text| !text.is_empty());
    match what {
        "account" => all.account.push(AccountSignal {
            tenant_id: tenant.to_owned(),
            kind: match words[0] {
                "uninstalled" => AccountSignalKind::Uninstalled,
                "revoked" => AccountSignalKind::TokensRevoked,
                _ => AccountSignalKind::ScopesChanged,
            },
            occurred_at_ms: word(1).parse().unwrap_or(0),
        }),
        "privacy" => all.privacy.push(PrivacyRequest {
            tenant_id: tenant.to_owned(),
            kind: match words[0] {
                "data" => PrivacyKind::DataRequest,
                "redact" => PrivacyKind::RedactPerson,
                _ => PrivacyKind::RedactAccount,
            },
            request_id: word(1),
            person: some(2).map(|external_id| PrivacyPerson {
                external_id: Some(external_id),
                email: some(3),
                phone: None,
            }),
            records: some(4)
                .into_iter()
                .map(|id| (Resource::Order, id))
                .collect(),
        }),
        "action" => all.actions.push(ChatAction {
            tenant_id: tenant.to_owned(),
            action: word(0),
            value: word(1),
            user_id: word(2),
            user_name: Some(format!("{} <!channel>", word(2))),
            channel: word(3),
            message: word(4),
            dedupe: word(5),
            occurred_at_ms: 0,
        }),
        other => panic!("{other}"),
    }
}
