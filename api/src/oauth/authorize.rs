//! What a client asks a person for, and the answer that goes back to the client (RFC 6749, section 4.1; RFC 7636; RFC 8707; RFC 9207).
//!
//! **In two steps.** First the client and the address to send the person back to are verified, and until they are an error stays on a page of ours:
//! whoever sends errors to an address it has not verified is an open redirect. Then everything else; its errors go to the client.
//!
//! The request is read anew, from its text, at each station (on arrival, after signing in, with the person's answer), so that nothing that was checked
//! once can be exchanged later. Of what a client asks a person can give at most what their role has and the client may have. A partner's client asks that
//! partner's people only: software of one organisation gets no tokens of another's people, however they were brought to agree.

use super::AuthorizationServer;
use super::parameters::Parameters;
use super::pkce;
use super::refusal::{Code, Refusal};
use entities::authorization_code::{self, NewCode};
use entities::change::{Author, Change, Origin};
use entities::error::Error;
use entities::id::OAuthClientId;
use entities::oauth_client::{self, AuthMethod, GrantType};
use entities::viewer::{Scope, Scopes, Viewer};
use entities::{oauth_grant, partner, user, visible};
use secrecy::{ExposeSecret as _, SecretString};

/// The longest request that is read, in bytes: one that a person who has yet to sign in can carry along.
const LONGEST: usize = 3_900;

/// What a client asks for, verified.
#[derive(Clone, Debug)]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client: oauth_client::Model,
    /// Where the person is sent back to: an address of the client's.
    pub redirect_uri: String,
    /// What the client wants back unchanged.
    pub state: Option<String>,
    /// What is asked for.
    pub scopes: Scopes,
    code_challenge: String,
}

/// Why a person is not asked.
#[derive(Debug, thiserror::Error)]
pub enum Unasked {
    /// Nobody can be sent back: the reason is for a page of ours.
    #[error("{0}")]
    Page(&'static str),
    /// The client is told.
    #[error("an answer to the client")]
    Back(SecretString),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Error),
}

/// Where the answers to a request go.
struct WayBack<'r> {
    redirect_uri: &'r str,
    state: Option<&'r str>,
    issuer: &'r str,
}

impl WayBack<'_> {
    /// The client's address with these parameters, the state and our name. The registered address keeps its letters: what is added follows them.
    fn with(&self, answer: &[(&str, &str)]) -> SecretString {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in answer {
            query.append_pair(name, value);
        }
        if let Some(state) = self.state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", self.issuer);
        let joint = if self.redirect_uri.contains('?') {
            '&'
        } else {
            '?'
        };
        format!("{}{joint}{}", self.redirect_uri, query.finish()).into()
    }

    fn refusal(&self, refusal: Refusal) -> Unasked {
        Unasked::Back(self.with(&[
            ("error", refusal.code.as_str()),
            ("error_description", refusal.description),
        ]))
    }
}

impl AuthorizationServer {
    /// Reads and verifies a request from its query.
    ///
    /// # Errors
    /// [`Unasked`].
    pub async fn read_request(&self, query: &str) -> Result<AuthorizationRequest, Unasked> {
        if query.len() > LONGEST {
            return Err(Unasked::Page("The request is too long."));
        }
        let unreadable = |refusal: Refusal| Unasked::Page(refusal.description);
        let parameters = Parameters::read(query).map_err(unreadable)?;
        let client_id = parameters.one("client_id").map_err(unreadable)?;
        let client = self.asking(client_id).await?;
        let redirect_uri = parameters.one("redirect_uri").map_err(unreadable)?;
        let redirect_uri = redirect_uri
            .filter(|uri| client.redirects_to(uri))
            .ok_or(Unasked::Page(
                "The address to send you back to is not one that the application registered.",
            ))?
            .to_owned();
        // From here on the client is told, and so it must get its state back; of two states neither is.
        let state = parameters.one("state");
        let way = WayBack {
            redirect_uri: &redirect_uri,
            state: state.unwrap_or_default(),
            issuer: self.tokens.issuer(),
        };
        let rest = state.and_then(|_| self.read_rest(&parameters, &client));
        let (scopes, code_challenge) = rest.map_err(|refusal| way.refusal(refusal))?;
        let state = way.state.map(str::to_owned);
        Ok(AuthorizationRequest {
            client,
            redirect_uri,
            state,
            scopes,
            code_challenge,
        })
    }

    async fn asking(&self, client_id: Option<&str>) -> Result<oauth_client::Model, Unasked> {
        let id = client_id.and_then(|id| id.parse::<OAuthClientId>().ok());
        let client = match id {
            Some(id) => oauth_client::find(self.database.read(), id).await?,
            None => None,
        };
        let owner = client.as_ref().and_then(|client| client.partner_id);
        let takes_part = partner::takes_part(self.database.read(), owner).await?;
        client
            .filter(|client| {
                takes_part
                    && client.is_enabled()
                    && client.grant_types.has(GrantType::AuthorizationCode)
            })
            .ok_or(Unasked::Page(
                "The application is not known here, or may not ask you.",
            ))
    }

    fn read_rest(
        &self,
        parameters: &Parameters,
        client: &oauth_client::Model,
    ) -> Result<(Scopes, String), Refusal> {
        parameters.refuse_repeated()?;
        let one = |name| parameters.one(name);
        if one("request")?.is_some() {
            let why = "Requests in a signed object are not taken.";
            return Err(Refusal::new(Code::RequestNotSupported, why));
        }
        if one("request_uri")?.is_some() {
            let why = "Requests by their address are not taken.";
            return Err(Refusal::new(Code::RequestUriNotSupported, why));
        }
        match one("response_type")? {
            Some("code") => {}
            None => return Err(Refusal::request("response_type is missing.")),
            Some(_) => {
                let why = "The response_type here is code.";
                return Err(Refusal::new(Code::UnsupportedResponseType, why));
            }
        }
        if one("response_mode")?.is_some_and(|mode| mode != "query") {
            return Err(Refusal::request("The response_mode here is query."));
        }
        let challenge = one("code_challenge")?.ok_or(Refusal::request(
            "code_challenge is missing: PKCE is required (RFC 7636).",
        ))?;
        // A missing method means `plain`.
        if one("code_challenge_method")? != Some(pkce::METHOD) {
            return Err(Refusal::request("The code_challenge_method here is S256."));
        }
        if !pkce::is_challenge(challenge) {
            return Err(Refusal::request(
                "code_challenge is not a SHA-256 in base64url.",
            ));
        }
        self.check_resource(parameters)?;
        let scopes = wanted(one("scope")?, client.scopes())?;
        Ok((scopes, challenge.to_owned()))
    }

    /// Refuses an audience that is not ours (RFC 8707). Without one it is ours: there is no other.
    pub(super) fn check_resource(&self, parameters: &Parameters) -> Result<(), Refusal> {
        let mut named = parameters.all("resource");
        if named.all(|resource| resource == self.tokens.audience()) {
            Ok(())
        } else {
            let why = "The resource is not one that tokens are made for here.";
            Err(Refusal::new(Code::InvalidTarget, why))
        }
    }

    /// What a person can give of what is asked for. That it is nothing is noted.
    ///
    /// # Errors
    /// [`Unasked::Back`] when it is nothing, or the client is another organisation's.
    pub async fn allowable(
        &self,
        request: &AuthorizationRequest,
        user: &user::Model,
    ) -> Result<Scopes, Unasked> {
        let way = self.way(request);
        let is_theirs = match request.client.partner_id {
            // The owner's own software is for everybody who takes part in the programme.
            None => true,
            Some(partner) => user.partner_id == Some(partner),
        };
        if !is_theirs || !user.is_active() {
            self.note_not_given(request, user).await?;
            let why = "This application is not for this person.";
            return Err(way.refusal(Refusal::new(Code::AccessDenied, why)));
        }
        let scopes = request.scopes.within(user.user_role()?.bounds());
        if scopes == Scopes::NONE {
            self.note_not_given(request, user).await?;
            let why = "The person has none of these scopes to give.";
            return Err(way.refusal(Refusal::new(Code::InvalidScope, why)));
        }
        Ok(scopes)
    }

    /// Whether the person has agreed to this before and need not be asked again. Whoever cannot prove which software it is always asks: another program
    /// could pass for it (RFC 8252, section 8.6).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_agreed(
        &self,
        request: &AuthorizationRequest,
        user: &user::Model,
        scopes: Scopes,
    ) -> Result<bool, Error> {
        if request.client.auth_method == AuthMethod::None {
            return Ok(false);
        }
        oauth_grant::covers(self.database.read(), user.id, request.client.id, scopes).await
    }

    /// The person agrees: the answer is where to send them, with a code.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn agree(
        &self,
        request: &AuthorizationRequest,
        user: &user::Model,
        scopes: Scopes,
    ) -> Result<SecretString, Error> {
        let mut change = Change::begin(&self.database, author(user.id.to_string())).await?;
        let grant = oauth_grant::create(&mut change, &request.client, user.id, scopes).await?;
        let new = NewCode {
            client_id: request.client.id,
            user_id: user.id,
            subject_epoch: user.token_epoch,
            grant_id: grant.id,
            redirect_uri: request.redirect_uri.clone(),
            scopes,
            resource: self.tokens.audience().to_owned(),
            code_challenge: request.code_challenge.clone(),
        };
        let code = authorization_code::issue(&change, new).await?;
        change.commit().await?;
        let way = self.way(request);
        Ok(way.with(&[("code", code.expose_secret())]))
    }

    /// The person does not agree: the answer is where to send them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn decline(
        &self,
        request: &AuthorizationRequest,
        user: &user::Model,
        scopes: Scopes,
    ) -> Result<SecretString, Error> {
        let mut change = Change::begin(&self.database, author(user.id.to_string())).await?;
        let because = "declined";
        oauth_grant::refused(&mut change, &request.client, user.id, scopes, because);
        change.commit().await?;
        Ok(self.way(request).with(&[
            ("error", Code::AccessDenied.as_str()),
            ("error_description", "The person did not agree."),
        ]))
    }

    /// Whose software a client is, for the person who is asked; none for the programme's owner.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn owner_of(&self, client: &oauth_client::Model) -> Result<Option<String>, Error> {
        let Some(partner) = client.partner_id else {
            return Ok(None);
        };
        let system = Viewer::system("oauth");
        let found =
            visible::find_one::<partner::Entity, _>(self.database.read(), &system, partner.0);
        Ok(found.await?.map(|partner| partner.name))
    }

    /// Notes that a person cannot give a client what it asks for.
    async fn note_not_given(
        &self,
        request: &AuthorizationRequest,
        user: &user::Model,
    ) -> Result<(), Error> {
        let mut change = Change::begin(&self.database, author(user.id.to_string())).await?;
        let (client, scopes) = (&request.client, request.scopes);
        oauth_grant::refused(&mut change, client, user.id, scopes, "not_theirs_to_give");
        change.commit().await
    }

    fn way<'r>(&'r self, request: &'r AuthorizationRequest) -> WayBack<'r> {
        WayBack {
            redirect_uri: &request.redirect_uri,
            state: request.state.as_deref(),
            issuer: self.tokens.issuer(),
        }
    }
}

/// Who writes what happens at these addresses.
pub(super) const fn author(actor: String) -> Author {
    Author {
        actor,
        origin: Origin::Api,
        connection: None,
    }
}

/// The scopes that a request names, all of which must be had; those that can be had when it names none.
pub(super) fn wanted(scope: Option<&str>, most: Scopes) -> Result<Scopes, Refusal> {
    let Some(scope) = scope else {
        return Ok(most);
    };
    let words: Result<Scopes, _> = scope
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(str::parse::<Scope>)
        .collect();
    match words {
        Ok(wanted) if wanted != Scopes::NONE && wanted.within(most) == wanted => Ok(wanted),
        _ => Err(Refusal::new(
            Code::InvalidScope,
            "A scope is unknown, or more than may be had.",
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn answers_follow_the_registered_address_letter_for_letter() {
        for (redirect_uri, shown) in [
            (
                "https://a.example/cb",
                "https://a.example/cb?code=c&state=s%26x&iss=https%3A%2F%2Fe.example",
            ),
            (
                "https://a.example",
                "https://a.example?code=c&state=s%26x&iss=https%3A%2F%2Fe.example",
            ),
            (
                "https://a.example/cb?t=1",
                "https://a.example/cb?t=1&code=c&state=s%26x&iss=https%3A%2F%2Fe.example",
            ),
        ] {
            let way = WayBack {
                redirect_uri,
                state: Some("s&x"),
                issuer: "https://e.example",
            };
            assert_eq!(way.with(&[("code", "c")]).expose_secret(), shown);
        }
    }

    #[test]
    fn scopes_are_had_or_the_request_is_refused() {
        let most = Scopes::from_claim("deals:read partners:read");
        assert_eq!(wanted(None, most).unwrap(), most);
        assert_eq!(
            wanted(Some("deals:read"), most).unwrap(),
            Scopes::from_claim("deals:read")
        );
        for scope in ["deals:write", "deals:read deals:write", "deals:read x", " "] {
            assert!(wanted(Some(scope), most).is_err(), "{scope}");
        }
    }
}
