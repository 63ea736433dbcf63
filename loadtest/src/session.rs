//! A person's session, got the way a browser gets it: through the provider and back.

use std::path::Path;

use hubgate_testkit::browser::Browser;
use hubgate_testkit::demo::{DemoProvider, people};
use hubgate_testkit::stage::{HUB_HOST, PROVIDER_HOST, ProviderPlace, Stage};

/// Whose session the load is sent with: a role on the main account, as the key has.
const USER: &str = "oskar";
/// Their organisation.
const ORGANISATION: &str = "nordvolt";

/// A running provider that knows the members of the demo organisations.
#[derive(Debug)]
pub(crate) struct Provider(DemoProvider);

impl Provider {
    /// Starts it on a free port.
    pub(crate) async fn start(repository: &Path) -> anyhow::Result<Self> {
        let people = people(&repository.join("tenants"))?;
        Ok(Self(DemoProvider::start(0, &people).await?))
    }

    /// What the stage must know of it.
    pub(crate) fn place(&self) -> ProviderPlace {
        self.0.place()
    }

    /// Signs in and gives the value of the session cookie.
    pub(crate) async fn session(&self, stage: &Stage) -> anyhow::Result<String> {
        let mut browser = Browser::default()
            .knows(HUB_HOST, stage.client()?)
            .knows(PROVIDER_HOST, self.0.client()?);
        browser.sign_in(&stage.hub_url(), ORGANISATION, USER).await
    }
}
