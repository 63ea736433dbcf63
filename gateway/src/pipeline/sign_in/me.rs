//! "Who am I": what the gateway knows of the one who asks, and what the policies let them choose from.

use serde_json::{Value, json};

use crate::authn::{ApiKey, Session};
use crate::directory::{Directory, Member, Members};
use crate::model::{EntityUid, Malformed, Principal, Refusal, RoleAssignment, UnixNanos};

use super::request::GatewayRequest;
use super::{Answer, Answered, Memberships, SignIn, failed, store_down};

impl SignIn {
    /// `GET /.hubgate/me`, for people and for API clients.
    pub(super) async fn me(
        &self,
        directory: &Directory,
        memberships: &dyn Memberships,
        request: &GatewayRequest<'_>,
    ) -> Result<Answered, Refusal> {
        let mut body = match (request.principal, request.session, request.api_key) {
            (Principal::User { .. }, Some(session), _) => {
                // Whoever's organisation is gone may still see whom they are signed in as.
                let members = memberships.members(&session.person.tenant).await;
                let members = match members {
                    Err(refusal @ Refusal::Unavailable(_)) => return Err(refusal),
                    members => members.ok(),
                };
                self.person(directory, members.as_deref(), session)
            }
            (Principal::ApiClient { .. }, _, Some(key)) => client(directory, key),
            _ => return Err(Refusal::CredentialMissing),
        };
        if let (Some(facts), Some(places)) = (body.as_object_mut(), request.places) {
            // Plain data with text keys: it always has a JSON form.
            let menu = serde_json::to_value(places.menu());
            facts.insert(String::from("menu"), menu.unwrap_or_default());
        }
        Ok(Answered::plain(Answer::Json { body: body.to_string() }))
    }

    /// `POST /.hubgate/me` with `active=Type::id`: a person goes on in another node. The next request does.
    pub(super) async fn work_in(&self, request: &GatewayRequest<'_>) -> Result<Answered, Refusal> {
        if !request.is_same_origin() {
            return Err(failed("form_foreign"));
        }
        let session = request.session.ok_or(Refusal::CredentialMissing)?;
        let form = request.form_parameters()?;
        let wished = form.value("active").and_then(|text| EntityUid::parse(text).ok());
        let wished = wished.ok_or(Refusal::Malformed(Malformed::Body))?;
        if !request.places.is_some_and(|places| places.may_enter(&wished)) {
            let reason = Some(String::from("you may not work there"));
            return Err(Refusal::Denied { reason, hidden: false });
        }
        self.parts.sessions.work_in(&session.key, Some(&wished)).await.map_err(store_down)?;
        let body = json!({ "active": wished }).to_string();
        Ok(Answered::plain(Answer::Json { body }))
    }

    fn person(&self, directory: &Directory, members: Option<&Members>, session: &Session) -> Value {
        let person = &session.person;
        let organisation = directory.organisation(&person.tenant);
        let member = members.and_then(|members| members.member_of(person));
        let limits = &self.parts.limits;
        json!({
            "kind": "user",
            "subject": person.subject,
            "issuer": person.issuer,
            "connection": person.connection,
            "name": session.display_name,
            "organisation": {
                "id": person.tenant,
                "name": organisation.map(|organisation| organisation.name()),
            },
            "member": member.map(|member| json!({ "id": member.id, "name": member.name })),
            "roles": member.map_or_else(Vec::new, |member: &Member| roles(&member.roles)),
            "session": {
                "created": time(session.created),
                "expires": time(session.created.plus(limits.absolute)),
                "idle_expires": time(session.last_seen.plus(limits.idle)),
            },
        })
    }
}

fn client(directory: &Directory, key: &ApiKey) -> Value {
    let organisation = directory.organisation(&key.tenant);
    json!({
        "kind": "api_client",
        "key": key.id,
        "name": key.name,
        "organisation": {
            "id": key.tenant,
            "name": organisation.map(|organisation| organisation.name()),
        },
        "roles": roles(&key.roles),
        "scopes": key.scopes,
        "expires": key.expires.map(time),
    })
}

fn roles(assignments: &[RoleAssignment]) -> Vec<Value> {
    assignments.iter().map(|given| json!({ "role": given.role, "on": given.on })).collect()
}

/// RFC 3339, whole seconds: for people first.
fn time(moment: UnixNanos) -> String {
    let seconds = i64::try_from(moment.seconds()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX).to_string()
}
