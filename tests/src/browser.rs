//! A browser as far as people's pages need one: it keeps cookies, says where its forms come from, and follows a redirect when it is told to.

use crate::TestApp;
use reqwest::header::{HeaderMap, LOCATION, ORIGIN, SET_COOKIE};
use std::collections::BTreeMap;
use url::Url;

/// A page, or whatever else came back.
#[derive(Clone, Debug)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
    /// Where it was asked for.
    pub address: Url,
}

impl Page {
    /// Where a redirect leads.
    #[track_caller]
    pub fn leads_to(&self) -> Url {
        let to = self
            .headers
            .get(LOCATION)
            .unwrap_or_else(|| panic!("no redirect but {}: {}", self.status, self.text));
        self.address
            .join(to.to_str().expect("an address is text"))
            .expect("a redirect leads to an address")
    }

    /// The value of the first input of this name.
    #[track_caller]
    pub fn input(&self, name: &str) -> String {
        let marked = format!("name=\"{name}\" value=\"");
        let (_, rest) = self
            .text
            .split_once(&marked)
            .unwrap_or_else(|| panic!("no input {name}: {}", self.text));
        let (value, _) = rest.split_once('"').expect("a value ends");
        value
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&amp;", "&")
    }

    /// Whether the page says this.
    #[must_use]
    pub fn says(&self, words: &str) -> bool {
        self.text.contains(words)
    }
}

/// A browser.
pub struct Browser<'a> {
    app: &'a TestApp,
    /// What it keeps, by name.
    pub cookies: BTreeMap<String, String>,
    /// What it calls itself.
    pub user_agent: &'static str,
}

impl<'a> Browser<'a> {
    /// A browser that has been nowhere yet.
    #[must_use]
    pub fn new(app: &'a TestApp) -> Self {
        Self {
            app,
            cookies: BTreeMap::new(),
            user_agent: "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
        }
    }

    /// Opens an address or a path of the app.
    pub async fn get(&mut self, to: &str) -> Page {
        let request = self.app.http.get(self.address(to));
        self.send(request, to).await
    }

    /// Sends a form from a page of the app.
    pub async fn post(&mut self, to: &str, fields: &[(&str, &str)]) -> Page {
        let origin = self.app.public_url().origin();
        self.post_from(Some(&origin), to, fields).await
    }

    /// Sends a form from somewhere.
    pub async fn post_from(
        &mut self,
        origin: Option<&str>,
        to: &str,
        fields: &[(&str, &str)],
    ) -> Page {
        let mut request = self.app.http.post(self.address(to)).form(fields);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        self.send(request, to).await
    }

    /// Follows a redirect.
    pub async fn follow(&mut self, page: &Page) -> Page {
        self.get(page.leads_to().as_str()).await
    }

    fn address(&self, to: &str) -> String {
        if to.starts_with('/') {
            self.app.url(to)
        } else {
            to.to_owned()
        }
    }

    async fn send(&mut self, request: reqwest::RequestBuilder, to: &str) -> Page {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = request.header("user-agent", self.user_agent);
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        let response = request.send().await.expect("the page answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        for set in headers.get_all(SET_COOKIE) {
            let set = set.to_str().expect("a cookie is text");
            let (pair, attributes) = set.split_once(';').unwrap_or((set, ""));
            let (name, value) = pair.split_once('=').expect("a cookie has a value");
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Page {
            status,
            headers,
            text: response.text().await.expect("the page arrives whole"),
            address: Url::parse(&self.address(to)).expect("an address"),
        }
    }
}
