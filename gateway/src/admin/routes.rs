//! Which operation is where: the paths of the operations' table, each with what serves it.

use std::sync::Arc;

use axum::Router;
use axum::middleware::map_response;
use axum::routing::{any, delete, get, post, put};

use super::authzen_metadata::authzen_metadata;
use super::change_api_client::change_api_client;
use super::change_member::change_member;
use super::connections::change::change_connection;
use super::connections::create::create_connection;
use super::connections::list::list_connections;
use super::connections::remove::remove_connection;
use super::connections::show::show_connection;
use super::connections::try_out::test_connection;
use super::create_api_client::create_api_client;
use super::create_member::create_member;
use super::domains::change::change_domain;
use super::domains::create::create_domain;
use super::domains::list::list_domains;
use super::domains::remove::remove_domain;
use super::domains::show::show_domain;
use super::domains::verify::verify_domain;
use super::end_session::end_session;
use super::end_sessions::end_sessions;
use super::evaluate::evaluate;
use super::evaluate_many::evaluate_many;
use super::guard::Door;
use super::list_api_clients::list_api_clients;
use super::list_events::list_events;
use super::list_members::list_members;
use super::list_own_events::list_own_events;
use super::list_sessions::list_sessions;
use super::nodes::list::list_nodes;
use super::nodes::show::show_node;
use super::operation::{
    APPROVE_POLICY_CHANGE, BEGIN_UPLOAD, BREAK_GLASS, CLOSE_POLICY_CHANGE, END_SESSION, EVALUATE,
    EVALUATE_MANY, ISSUE_BOOTSTRAP_KEY, LIST_API_CLIENTS, LIST_CONNECTIONS, LIST_DOMAINS,
    LIST_EVENTS, LIST_MEMBERS, LIST_NODES, LIST_ORGANISATIONS, LIST_OWN_EVENTS, LIST_POLICIES,
    LIST_POLICY_CHANGES, LIST_ROUTES, LIST_SCIM_GROUPS, LIST_SCIM_RESOURCE_TYPES,
    LIST_SCIM_SCHEMAS, LIST_SCIM_USERS, LIST_SESSIONS, PREVIEW_POLICY_CHANGE, PUT_RESOURCES,
    RESUME_ORGANISATION, ROTATE_API_CLIENT, SEARCH_DECISIONS, SHOW_API_CLIENT, SHOW_CONNECTION,
    SHOW_DOMAIN, SHOW_EVENT, SHOW_MEMBER, SHOW_NODE, SHOW_ORGANISATION, SHOW_OWN_EVENT,
    SHOW_POLICY_CHANGE, SHOW_PROVISIONING, SHOW_SCIM_GROUP, SHOW_SCIM_RESOURCE_TYPE,
    SHOW_SCIM_SCHEMA, SHOW_SCIM_USER, SHOW_SERVICE_PROVIDER, SHOW_SNAPSHOT, SHOW_UPLOAD,
    SUSPEND_ORGANISATION, TEST_CONNECTION, VERIFY_DOMAIN,
};
use super::own_pages::own_pages;
use super::platform::break_glass::break_glass;
use super::platform::change_organisation::change_organisation;
use super::platform::create_organisation::create_organisation;
use super::platform::issue_bootstrap_key::issue_bootstrap_key;
use super::platform::list_organisations::list_organisations;
use super::platform::list_policies::list_policies;
use super::platform::list_routes::list_routes;
use super::platform::resume::resume_organisation;
use super::platform::search_decisions::search_decisions;
use super::platform::show_organisation::show_organisation;
use super::platform::show_snapshot::show_snapshot;
use super::platform::suspend::suspend_organisation;
use super::policies::approve::approve_policy_change;
use super::policies::close::close_policy_change;
use super::policies::list::list_policy_changes;
use super::policies::preview::preview_policy_change;
use super::policies::propose::propose_policy_change;
use super::policies::show::show_policy_change;
use super::provisioning::remove::remove_provisioning;
use super::provisioning::replace::replace_provisioning;
use super::provisioning::show::show_provisioning;
use super::remove_api_client::remove_api_client;
use super::remove_member::remove_member;
use super::rotate_api_client::rotate_api_client;
use super::scim::discovery::{
    list_resource_types, list_schemas, show_resource_type, show_schema, show_service_provider,
};
use super::scim::groups::{
    create_group, delete_group, list_groups, patch_group, replace_group, show_group,
};
use super::scim::users::{
    create_user, delete_user, list_users, patch_user, replace_user, show_user,
};
use super::scim::{as_scim, no_such_place};
use super::server::{
    begin_upload, cancel_upload, delete_resources, put_resources, resume_upload, show_upload,
};
use super::show_api_client::show_api_client;
use super::show_event::show_event;
use super::show_member::show_member;
use super::show_own_event::show_own_event;

/// Everything there is.
pub(super) fn routes() -> Router<Arc<Door>> {
    Router::new()
        .route("/.hubgate/{*rest}", any(own_pages))
        .merge(services())
        .merge(people())
        .merge(sign_in())
        .merge(provisioning())
        .merge(platform())
}

/// What the hub's own services use.
fn services() -> Router<Arc<Door>> {
    Router::new()
        .route(PUT_RESOURCES.path, put(put_resources).delete(delete_resources))
        .route(BEGIN_UPLOAD.path, post(begin_upload))
        .route(SHOW_UPLOAD.path, get(show_upload).patch(resume_upload).delete(cancel_upload))
        .route(EVALUATE.path, post(evaluate))
        .route(EVALUATE_MANY.path, post(evaluate_many))
        .route("/.well-known/authzen-configuration", get(authzen_metadata))
}

/// Who may do what, and what they did.
fn people() -> Router<Arc<Door>> {
    Router::new()
        .route(LIST_MEMBERS.path, get(list_members).post(create_member))
        .route(SHOW_MEMBER.path, get(show_member).patch(change_member).delete(remove_member))
        .route(LIST_API_CLIENTS.path, get(list_api_clients).post(create_api_client))
        .route(
            SHOW_API_CLIENT.path,
            get(show_api_client).patch(change_api_client).delete(remove_api_client),
        )
        .route(ROTATE_API_CLIENT.path, post(rotate_api_client))
        .route(LIST_SESSIONS.path, get(list_sessions).delete(end_sessions))
        .route(END_SESSION.path, delete(end_session))
        .route(LIST_EVENTS.path, get(list_events))
        .route(SHOW_EVENT.path, get(show_event))
        .route(LIST_OWN_EVENTS.path, get(list_own_events))
        .route(SHOW_OWN_EVENT.path, get(show_own_event))
        .route(LIST_NODES.path, get(list_nodes))
        .route(SHOW_NODE.path, get(show_node))
}

/// How people sign in.
fn sign_in() -> Router<Arc<Door>> {
    Router::new()
        .route(LIST_CONNECTIONS.path, get(list_connections).post(create_connection))
        .route(
            SHOW_CONNECTION.path,
            get(show_connection).patch(change_connection).delete(remove_connection),
        )
        .route(TEST_CONNECTION.path, post(test_connection))
        .route(LIST_DOMAINS.path, get(list_domains).post(create_domain))
        .route(SHOW_DOMAIN.path, get(show_domain).patch(change_domain).delete(remove_domain))
        .route(VERIFY_DOMAIN.path, post(verify_domain))
}

/// What the platform's own administrators do.
fn platform() -> Router<Arc<Door>> {
    Router::new()
        .route(LIST_ORGANISATIONS.path, get(list_organisations).post(create_organisation))
        .route(SHOW_ORGANISATION.path, get(show_organisation).patch(change_organisation))
        .route(ISSUE_BOOTSTRAP_KEY.path, post(issue_bootstrap_key))
        .route(SUSPEND_ORGANISATION.path, post(suspend_organisation))
        .route(BREAK_GLASS.path, post(break_glass))
        .route(RESUME_ORGANISATION.path, post(resume_organisation))
        .route(SHOW_SNAPSHOT.path, get(show_snapshot))
        .route(LIST_ROUTES.path, get(list_routes))
        .route(LIST_POLICIES.path, get(list_policies))
        .route(LIST_POLICY_CHANGES.path, get(list_policy_changes).post(propose_policy_change))
        .route(PREVIEW_POLICY_CHANGE.path, post(preview_policy_change))
        .route(SHOW_POLICY_CHANGE.path, get(show_policy_change))
        .route(APPROVE_POLICY_CHANGE.path, post(approve_policy_change))
        .route(CLOSE_POLICY_CHANGE.path, post(close_policy_change))
        .route(SEARCH_DECISIONS.path, get(search_decisions))
}

/// How people are provisioned, and by whom.
fn provisioning() -> Router<Arc<Door>> {
    let scim = Router::new()
        .route(SHOW_SERVICE_PROVIDER.path, get(show_service_provider))
        .route(LIST_SCIM_RESOURCE_TYPES.path, get(list_resource_types))
        .route(SHOW_SCIM_RESOURCE_TYPE.path, get(show_resource_type))
        .route(LIST_SCIM_SCHEMAS.path, get(list_schemas))
        .route(SHOW_SCIM_SCHEMA.path, get(show_schema))
        .route(LIST_SCIM_USERS.path, get(list_users).post(create_user))
        .route(
            SHOW_SCIM_USER.path,
            get(show_user).put(replace_user).patch(patch_user).delete(delete_user),
        )
        .route(LIST_SCIM_GROUPS.path, get(list_groups).post(create_group))
        .route(
            SHOW_SCIM_GROUP.path,
            get(show_group).put(replace_group).patch(patch_group).delete(delete_group),
        )
        .route("/scim/v2/{*rest}", any(no_such_place))
        .layer(map_response(as_scim));
    Router::new()
        .route(
            SHOW_PROVISIONING.path,
            get(show_provisioning).put(replace_provisioning).delete(remove_provisioning),
        )
        .merge(scim)
}
