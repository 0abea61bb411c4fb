//! The one layout of every page for people, and the parts its forms are made of.
//!
//! Pages are rendered here whole: no script, nothing from elsewhere, one style sheet that the content security policy names by its digest. What is
//! put into a page is text unless it is markup of ours; maud escapes it. A page is never kept, never framed, and its forms lead to this origin
//! alone, but for the origins a page names itself ([`Page::form_may_lead_to`]): browsers hold a form's redirects to the policy as well.
//!
//! Readers come with all kinds of programs: each page has one heading, a language, a title that says what is wrong where something is; each input
//! has a label, its hint and its error by description, and wrong inputs are listed first, with links to them.

use super::session::SignedIn;
use crate::people::target::local;
use crate::state::State;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, SET_COOKIE,
};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

const STYLE: &str = include_str!("page/style.css");

static STYLE_DIGEST: LazyLock<String> =
    LazyLock::new(|| STANDARD.encode(Sha256::digest(STYLE.as_bytes())));

/// Cookies that the answer of a request is to set, whatever it is.
#[derive(Default)]
struct Cookies(Vec<String>);

/// Has the answer to a request set a cookie; every [`Page::answer`] and [`redirect`] does.
pub fn set_cookie(request: &HttpRequest, cookie: String) {
    let mut extensions = request.extensions_mut();
    if let Some(cookies) = extensions.get_mut::<Cookies>() {
        cookies.0.push(cookie);
    } else {
        extensions.insert(Cookies(vec![cookie]));
    }
}

fn with_cookies(request: &HttpRequest, response: &mut HttpResponseBuilder) {
    if let Some(Cookies(cookies)) = request.extensions_mut().remove::<Cookies>() {
        for cookie in cookies {
            response.append_header((SET_COOKIE, cookie));
        }
    }
}

/// Sends a browser on, by GET. `to` is a path of ours as [`href`] writes it, or a whole address that was verified.
#[must_use]
pub fn redirect(request: &HttpRequest, to: &str) -> HttpResponse {
    let mut response = HttpResponse::SeeOther();
    response
        .insert_header((LOCATION, to))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((REFERRER_POLICY, "same-origin"));
    with_cookies(request, &mut response);
    response.finish()
}

/// A path of ours as a page or a redirect writes it: below the path of the public address.
#[must_use]
pub fn href(state: &State, path: &str) -> String {
    local(&state.public_url, path)
}

/// A page about to be answered.
pub struct Page {
    status: StatusCode,
    title: String,
    body: Markup,
    corner: Option<Markup>,
    is_wide: bool,
    is_wrong: bool,
    form_targets: Vec<String>,
}

impl Page {
    /// A page with a heading, which is also its title, and what follows it.
    #[must_use]
    pub fn new(heading: impl Into<String>, body: Markup) -> Self {
        Self {
            status: StatusCode::OK,
            title: heading.into(),
            body,
            corner: None,
            is_wide: false,
            is_wrong: false,
            form_targets: Vec::new(),
        }
    }

    /// A page of sentences.
    #[must_use]
    pub fn of_sentences(heading: &str, sentences: &[impl AsRef<str>]) -> Self {
        Self::new(
            heading,
            html! {
                @for sentence in sentences { p { (sentence.as_ref()) } }
            },
        )
    }

    /// With a status other than 200.
    #[must_use]
    pub const fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Its form was filled in wrongly: the title says so.
    #[must_use]
    pub const fn wrong(mut self) -> Self {
        self.is_wrong = true;
        self
    }

    /// With room for lists.
    #[must_use]
    pub const fn wide(mut self) -> Self {
        self.is_wide = true;
        self
    }

    /// With a way out for who is signed in.
    #[must_use]
    pub fn signed_in(mut self, state: &State, signed_in: &SignedIn) -> Self {
        self.corner = Some(html! {
            form method="post" action=(href(state, "/sign-out")) {
                (form_token(signed_in))
                button.second type="submit" { "Sign out" }
            }
        });
        self
    }

    /// Lets the page's form end at another origin, by way of a redirect of ours. Only for an address that was verified.
    #[must_use]
    pub fn form_may_lead_to(mut self, url: &url::Url) -> Self {
        // An address whose scheme is an app's own has no origin; the policy then names the scheme.
        let origin = url.origin();
        self.form_targets.push(if origin.is_tuple() {
            origin.ascii_serialization()
        } else {
            format!("{}:", url.scheme())
        });
        self
    }

    /// The answer to a request, with the cookies it is to set.
    #[must_use]
    pub fn answer(self, request: &HttpRequest) -> HttpResponse {
        let mut response = self.builder();
        with_cookies(request, &mut response);
        response.body(self.render())
    }

    /// The answer without a request's cookies, and one of its own.
    #[must_use]
    pub fn answer_with_cookie(self, cookie: String) -> HttpResponse {
        let mut response = self.builder();
        response.append_header((SET_COOKIE, cookie));
        response.body(self.render())
    }

    fn builder(&self) -> HttpResponseBuilder {
        let mut response = HttpResponse::build(self.status);
        let targets: String = self
            .form_targets
            .iter()
            .map(|target| format!(" {target}"))
            .collect();
        let style = &*STYLE_DIGEST;
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{style}'; img-src data:; form-action 'self'{targets}; base-uri 'none'; frame-ancestors 'none'"
        );
        response
            .content_type("text/html; charset=utf-8")
            .insert_header((CONTENT_SECURITY_POLICY, policy))
            .insert_header((CACHE_CONTROL, "no-store"))
            // With no referrer at all a browser would name no origin with its forms either, and they would be refused.
            .insert_header((REFERRER_POLICY, "same-origin"))
            .insert_header(("Cross-Origin-Opener-Policy", "same-origin"))
            .insert_header(("X-Frame-Options", "DENY"));
        response
    }

    fn render(&self) -> String {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="robots" content="noindex";
                    title { @if self.is_wrong { "Error: " } (self.title) " – Entente" }
                    link rel="icon" href="data:,";
                    style { (PreEscaped(STYLE)) }
                }
                body class=[self.is_wide.then_some("wide")] {
                    header {
                        strong { "Entente" }
                        @if let Some(corner) = &self.corner { (corner) }
                    }
                    main {
                        h1 { (self.title) }
                        (self.body)
                    }
                }
            }
        };
        page.into_string()
    }
}

/// What is wrong with one input of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The input's id; none when it is the form as a whole.
    pub field: Option<&'static str>,
    /// One sentence for the person.
    pub message: String,
}

impl Wrong {
    /// Something about one input.
    pub fn with(field: &'static str, message: impl Into<String>) -> Self {
        Self {
            field: Some(field),
            message: message.into(),
        }
    }

    /// Something about the form as a whole.
    pub fn whole(message: impl Into<String>) -> Self {
        Self {
            field: None,
            message: message.into(),
        }
    }
}

/// The list of what is wrong, in front of a form. A browser that opens the page begins there.
#[must_use]
pub fn summary(wrongs: &[Wrong]) -> Markup {
    html! {
        @if !wrongs.is_empty() {
            div.summary role="alert" tabindex="-1" autofocus aria-labelledby="wrong" {
                h2 #wrong { "That did not work" }
                ul {
                    @for wrong in wrongs {
                        li {
                            @match wrong.field {
                                Some(field) => a href=(format!("#{field}")) { (wrong.message) },
                                None => (wrong.message),
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One input of a form.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    /// Its id and name.
    pub name: &'static str,
    /// What is asked for.
    pub label: &'a str,
    /// `text`, `email` or `password`.
    pub kind: &'static str,
    /// What the browser may fill in.
    pub autocomplete: &'static str,
    /// What helps to answer.
    pub hint: Option<&'a str>,
    /// What was typed before. A password is never written back.
    pub value: Option<&'a str>,
}

/// An input with its label, its hint and what is wrong with it.
#[must_use]
pub fn field(field: &Field<'_>, wrongs: &[Wrong]) -> Markup {
    let name = field.name;
    let wrong = wrongs.iter().find(|wrong| wrong.field == Some(name));
    let hint_id = format!("{name}-hint");
    let wrong_id = format!("{name}-wrong");
    let described: Vec<&str> = field
        .hint
        .map(|_| hint_id.as_str())
        .into_iter()
        .chain(wrong.map(|_| wrong_id.as_str()))
        .collect();
    let described = (!described.is_empty()).then(|| described.join(" "));
    let value = field.value.filter(|_| field.kind != "password");
    html! {
        div.field {
            label for=(name) { (field.label) }
            @if let Some(hint) = field.hint { p.hint id=(hint_id) { (hint) } }
            @if let Some(wrong) = wrong { p.wrong id=(wrong_id) { (wrong.message) } }
            input id=(name) name=(name) type=(field.kind) autocomplete=(field.autocomplete) required
                value=[value] aria-describedby=[described] aria-invalid=[wrong.map(|_| "true")]
                spellcheck="false" autocapitalize="none";
        }
    }
}

/// The hidden input that proves that a form was made for a session.
#[must_use]
pub fn form_token(signed_in: &SignedIn) -> Markup {
    html! { input type="hidden" name="form_token" value=(signed_in.form_token); }
}

/// For whom a password is, where nobody is asked for it: what keeps passwords finds it beside the input, hidden as it is.
#[must_use]
pub fn username(email: &str) -> Markup {
    html! { input type="text" name="email" value=(email) autocomplete="username" readonly hidden; }
}

/// An instant as a page shows it, in UTC and to the minute.
#[must_use]
pub fn instant(at: entities::clock::Timestamp) -> Markup {
    let text = at.to_rfc3339();
    let shown = text
        .get(..16)
        .map_or_else(|| text.clone(), |shown| shown.replacen('T', " ", 1));
    html! { time datetime=(text) { (shown) " UTC" } }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "tests"
    )]
    use super::*;
    use actix_web::body::to_bytes;
    use actix_web::test::TestRequest;
    use url::Url;

    fn policy(response: &HttpResponse) -> String {
        let value = response.headers().get(CONTENT_SECURITY_POLICY).unwrap();
        value.to_str().unwrap().to_owned()
    }

    #[actix_web::test]
    async fn what_comes_from_outside_is_text() {
        let request = TestRequest::default().to_http_request();
        let sentence = "<script>alert('x')</script>&\"";
        let response = Page::of_sentences("<b>", &[sentence]).answer(&request);
        let body = to_bytes(response.into_body()).await.unwrap();
        let text = std::str::from_utf8(&body).unwrap();
        assert!(
            !text.contains("<script>") && !text.contains("<b>"),
            "{text}"
        );
        assert!(text.contains("&lt;script&gt;alert('x')&lt;/script&gt;&amp;&quot;"));
        let typed = "\"><img src=x onerror=alert(1)>";
        let markup = field(
            &Field {
                name: "email",
                label: "E-mail",
                kind: "email",
                autocomplete: "username",
                hint: None,
                value: Some(typed),
            },
            &[Wrong::with("email", "<i>")],
        )
        .into_string();
        assert!(!markup.contains("<img") && !markup.contains("<i>"));
        assert!(markup.contains(r#"aria-describedby="email-wrong" aria-invalid="true""#));
    }

    #[test]
    fn the_policy_lets_in_the_style_and_nothing_else() {
        let request = TestRequest::default().to_http_request();
        let response = Page::of_sentences("x", &["y"]).answer(&request);
        let policy_text = policy(&response);
        assert!(policy_text.starts_with("default-src 'none'; style-src 'sha256-"));
        assert!(policy_text.contains("form-action 'self';"));
        assert!(!policy_text.contains("unsafe") && !policy_text.contains("script"));
        assert!(!STYLE.contains('<') && !STYLE.contains("url(") && !STYLE.contains("@import"));
        for (url, target) in [
            ("https://app.example/cb?x=y", "https://app.example"),
            ("http://127.0.0.1:9000/cb", "http://127.0.0.1:9000"),
            ("com.example.app:/cb", "com.example.app:"),
        ] {
            let response = Page::of_sentences("x", &["y"])
                .form_may_lead_to(&Url::parse(url).unwrap())
                .answer(&request);
            let wanted = format!("form-action 'self' {target};");
            assert!(policy(&response).contains(&wanted), "{url}");
        }
    }

    #[test]
    fn a_password_is_never_written_back() {
        let asked = Field {
            name: "password",
            label: "Password",
            kind: "password",
            autocomplete: "current-password",
            hint: None,
            value: Some("hunter2hunter2"),
        };
        assert!(!field(&asked, &[]).into_string().contains("hunter2"));
    }

    #[test]
    fn cookies_go_with_the_answer_once() {
        let request = TestRequest::default().to_http_request();
        set_cookie(&request, "a=b".to_owned());
        set_cookie(&request, "c=d".to_owned());
        let response = redirect(&request, "/account");
        let cookies: Vec<_> = response.headers().get_all(SET_COOKIE).collect();
        assert_eq!(cookies, ["a=b", "c=d"]);
        assert_eq!(redirect(&request, "/").headers().get(SET_COOKIE), None);
    }
}
