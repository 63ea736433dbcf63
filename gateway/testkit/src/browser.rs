//! As much of a browser as a sign-in needs: cookies per host and redirects followed.

use std::collections::BTreeMap;

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{COOKIE, LOCATION, SET_COOKIE};
use http::{Request, Response};
use url::Url;

use crate::https_client::HttpsClient;

/// A sign-in takes four; more is a loop.
const REDIRECTS_MAX: usize = 12;
/// The gateway's session cookie.
const SESSION_COOKIE: &str = "__Host-hubgate";

/// A browser that knows some hosts.
#[derive(Debug, Default)]
pub struct Browser {
    hosts: BTreeMap<String, HttpsClient>,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

impl Browser {
    /// Makes the browser reach `host` through `client`.
    #[must_use]
    pub fn knows(mut self, host: &str, client: HttpsClient) -> Self {
        self.hosts.insert(host.into(), client);
        self
    }

    /// Signs `user` in at `hub` (`https://host:port`) and gives the session cookie's value.
    ///
    /// The provider's automatic mode is used: the user's name travels as `login_hint`.
    ///
    /// # Errors
    /// When the way of redirects does not end with a session cookie.
    pub async fn sign_in(
        &mut self,
        hub: &str,
        organisation: &str,
        user: &str,
    ) -> anyhow::Result<String> {
        let hub_url = Url::parse(hub)?;
        let host = hub_url.host_str().context("the hub has no host")?.to_owned();
        let mut url = hub_url.join("/.hubgate/sign-in")?;
        url.query_pairs_mut().append_pair("organisation", organisation);
        for _ in 0..REDIRECTS_MAX {
            let answer = self.visit(&url).await?;
            if let Some(session) = self.cookie(&host, SESSION_COOKIE) {
                return Ok(session.into());
            }
            let location = answer.headers().get(LOCATION).with_context(|| {
                let page = String::from_utf8_lossy(answer.body());
                format!("{url} answered {} without a redirect: {page:.300}", answer.status())
            })?;
            url = url.join(location.to_str()?)?;
            let to_provider = url.host_str() != Some(host.as_str());
            let asks = url.query_pairs().any(|(name, _)| name == "redirect_uri");
            if to_provider && asks {
                url.query_pairs_mut().append_pair("login_hint", user);
            }
        }
        anyhow::bail!("more than {REDIRECTS_MAX} redirects")
    }

    /// The value of a cookie the browser holds for `host`.
    pub fn cookie(&self, host: &str, name: &str) -> Option<&str> {
        self.cookies.get(host)?.get(name).map(String::as_str)
    }

    /// Gets a page, sending and keeping cookies. Does not follow redirects.
    ///
    /// # Errors
    /// When the host is not known or the exchange fails.
    pub async fn visit(&mut self, url: &Url) -> anyhow::Result<Response<Bytes>> {
        let host = url.host_str().context("no host")?.to_owned();
        let client = self.hosts.get(&host).with_context(|| format!("no way to `{host}`"))?;
        let mut request = Request::builder().uri(url.as_str()).header("Accept", "text/html");
        let jar = self.cookies.entry(host).or_default();
        if !jar.is_empty() {
            let pairs: Vec<String> =
                jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(COOKIE, pairs.join("; "));
        }
        let answer = client.send(request.body(Bytes::new())?).await?;
        for line in answer.headers().get_all(SET_COOKIE) {
            keep(jar, line.to_str()?);
        }
        Ok(answer)
    }
}

/// Keeps or forgets one cookie.
fn keep(jar: &mut BTreeMap<String, String>, line: &str) {
    let mut parts = line.split(';').map(str::trim);
    let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
        return;
    };
    let gone = parts.any(|attribute| attribute.eq_ignore_ascii_case("max-age=0"));
    if gone || value.is_empty() {
        jar.remove(name);
    } else {
        jar.insert(name.into(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_kept_and_forgotten() {
        let mut jar = BTreeMap::new();
        keep(&mut jar, "__Host-hubgate=abc; Path=/; Secure");
        keep(&mut jar, "other=1");
        keep(&mut jar, "nonsense");
        keep(&mut jar, "other=; Max-Age=0");
        assert_eq!(jar.into_iter().collect::<Vec<_>>(), [("__Host-hubgate".into(), "abc".into())]);
    }
}
