//! What `make demo` shows: four requests and what must come of each, and who may sign in.

mod people;
mod provider;

use std::fmt;

use bytes::Bytes;
use http::{Method, Request, StatusCode};

use crate::https_client::HttpsClient;
use crate::stage::NewKey;

pub use people::{Person, people};
pub use provider::DemoProvider;

/// The key the demo makes: runs operations for the whole organisation, and may not touch money.
pub const DEMO_KEY: NewKey<'static> = NewKey {
    organisation: "nordvolt",
    name: "demo",
    roles: &["operations_manager=Operator::nordvolt"],
    scopes: &["all:write"],
};

/// One request to try.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What it shows.
    pub shows: &'static str,
    /// Why it comes out as it does.
    pub because: &'static str,
    /// The method.
    pub method: Method,
    /// The path.
    pub path: &'static str,
    /// The JSON body, where there is one.
    pub body: Option<&'static str>,
    /// The status that must come back.
    pub expected: StatusCode,
}

/// The four requests.
pub fn trials() -> [Trial; 4] {
    [
        Trial {
            shows: "allowed",
            because: "the key runs operations on the main account, and the team is there",
            method: Method::GET,
            path: "/api/v1/teams/team-fleet",
            body: None,
            expected: StatusCode::OK,
        },
        Trial {
            shows: "denied by role",
            because: "running operations does not include taking money out",
            method: Method::POST,
            path: "/api/v1/wallets/wallet-harbour/withdraw",
            body: Some("{\"amount\":100}"),
            expected: StatusCode::FORBIDDEN,
        },
        Trial {
            shows: "allowed by inheritance",
            because: "the charge point is a sub-account's; the role was given further up",
            method: Method::POST,
            path: "/api/v1/charge-points/cp-0001/reboot",
            body: None,
            expected: StatusCode::NO_CONTENT,
        },
        Trial {
            shows: "forbidden across organisations",
            because: "the team is another organisation's: for this key it does not exist",
            method: Method::GET,
            path: "/api/v1/teams/team-meadow",
            body: None,
            expected: StatusCode::NOT_FOUND,
        },
    ]
}

impl Trial {
    /// Sends the request with `key` to `hub` (`https://host:port`).
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn run(
        &self,
        client: &HttpsClient,
        hub: &str,
        key: &str,
    ) -> anyhow::Result<StatusCode> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(format!("{hub}{}", self.path))
            .header("Authorization", format!("Bearer {key}"));
        if self.body.is_some() {
            request = request.header("Content-Type", "application/json");
        }
        let request = request.body(Bytes::from_static(self.body.unwrap_or("").as_bytes()))?;
        Ok(client.send(request).await?.status())
    }
}

/// The request as a `curl` line for a shell where `CA`, `KEY` and `HUB` are set; at most 80 columns.
impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "curl --cacert $CA --oauth2-bearer $KEY")?;
        match (self.body, &self.method) {
            (Some(body), _) => write!(f, " --json '{body}' \\\n      $HUB{}", self.path),
            (None, &Method::GET) => write!(f, " $HUB{}", self.path),
            (None, method) => write!(f, " -X {method} \\\n      $HUB{}", self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_fits_a_terminal_with_its_indent() {
        for trial in trials() {
            let printed = format!("    {trial}");
            assert!(printed.lines().all(|line| line.len() <= 80), "{printed}");
            assert!(trial.because.len() + 4 <= 80, "{}", trial.because);
        }
    }

    #[test]
    fn a_line_says_method_and_body() {
        let lines = trials().map(|trial| trial.to_string());
        assert!(lines[0].ends_with("$HUB/api/v1/teams/team-fleet"), "{}", lines[0]);
        assert!(lines[1].contains("--json '{\"amount\":100}'"), "{}", lines[1]);
        assert!(lines[2].contains("-X POST"), "{}", lines[2]);
    }
}
