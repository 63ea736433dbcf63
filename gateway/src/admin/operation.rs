//! The operations of this door: what each is called, where it is, and what it is decided by.

use std::collections::BTreeSet;

use http::Method;

/// One operation. Its file documents it; the document of them all is put together from both
/// ([`super::document`]).
#[derive(Debug)]
pub(super) struct Operation {
    /// `operationId` in the document.
    pub(super) id: &'static str,
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// The action policies decide it by: on the organisation's root, or where the operation finds that it must be
    /// asked about other nodes or other actions.
    pub(super) action: &'static str,
    /// The API scopes of which a key needs one, as policies are told.
    pub(super) scopes: &'static [&'static str],
}

const RESOURCES: &str = "/v1/organisations/{organisation}/resources";
const UPLOADS: &str = "/v1/organisations/{organisation}/resource-uploads";
const UPLOAD: &str = "/v1/organisations/{organisation}/resource-uploads/{upload}";

const MEMBERS: &str = "/v1/organisations/{organisation}/members";
const MEMBER: &str = "/v1/organisations/{organisation}/members/{member}";
const API_CLIENTS: &str = "/v1/organisations/{organisation}/api-clients";
const API_CLIENT: &str = "/v1/organisations/{organisation}/api-clients/{client}";
const ROTATION: &str = "/v1/organisations/{organisation}/api-clients/{client}/rotate";
const SESSIONS: &str = "/v1/organisations/{organisation}/sessions";
const SESSION: &str = "/v1/organisations/{organisation}/sessions/{session}";
const EVENTS: &str = "/v1/organisations/{organisation}/auditlog/events";
const AN_EVENT: &str = "/v1/organisations/{organisation}/auditlog/events/{event}";

const OWN_EVENTS: &str = "/auditlog/events";
const OWN_EVENT: &str = "/auditlog/events/{event}";
const NODES: &str = "/v1/organisations/{organisation}/nodes";
const NODE: &str = "/v1/organisations/{organisation}/nodes/{node}";

const CONNECTIONS: &str = "/v1/organisations/{organisation}/connections";
const CONNECTION: &str = "/v1/organisations/{organisation}/connections/{connection}";
const CONNECTION_TEST: &str = "/v1/organisations/{organisation}/connections/{connection}/test";
const DOMAINS: &str = "/v1/organisations/{organisation}/domains";
const DOMAIN: &str = "/v1/organisations/{organisation}/domains/{domain}";
const DOMAIN_PROOF: &str = "/v1/organisations/{organisation}/domains/{domain}/verify";

const PROVISIONING: &str = "/v1/organisations/{organisation}/provisioning";
const SCIM_USERS: &str = "/scim/v2/Users";
const SCIM_USER: &str = "/scim/v2/Users/{user}";
const SCIM_GROUPS: &str = "/scim/v2/Groups";
const SCIM_GROUP: &str = "/scim/v2/Groups/{group}";

impl Operation {
    /// Whether it is the platform's own.
    pub(super) fn is_of_the_platform(&self) -> bool {
        self.path.starts_with(PLATFORM)
    }
}

/// Where the platform's own operations are.
const PLATFORM: &str = "/v1/platform/";

const ORGANISATIONS: &str = "/v1/platform/organisations";
const ORGANISATION: &str = "/v1/platform/organisations/{organisation}";
const BOOTSTRAP_KEY: &str = "/v1/platform/organisations/{organisation}/bootstrap-key";
const SUSPENSION: &str = "/v1/platform/organisations/{organisation}/suspend";
const EMERGENCY: &str = "/v1/platform/organisations/{organisation}/break-glass";
const RESUMPTION: &str = "/v1/platform/organisations/{organisation}/resume";

const POLICY_CHANGES: &str = "/v1/platform/policy-changes";
const POLICY_PREVIEW: &str = "/v1/platform/policy-changes/preview";
const POLICY_CHANGE: &str = "/v1/platform/policy-changes/{change}";
const POLICY_APPROVAL: &str = "/v1/platform/policy-changes/{change}/approve";
const POLICY_CLOSING: &str = "/v1/platform/policy-changes/{change}/close";

/// What decides who may administer an organisation as a whole.
pub(super) const MANAGE: &str = "access:manage";

const fn see_members(id: &'static str, path: &'static str) -> Operation {
    let scopes = &["members:read", "members:write"];
    Operation { id, method: Method::GET, path, action: "access:view", scopes }
}

/// Its questions are about the roles that are given and taken; this action stands for the organisation as a whole.
const fn manage_members(id: &'static str, method: Method, path: &'static str) -> Operation {
    Operation { id, method, path, action: MANAGE, scopes: &["members:write"] }
}

const fn see_clients(id: &'static str, path: &'static str) -> Operation {
    let scopes = &["api-clients:read", "api-clients:write"];
    Operation { id, method: Method::GET, path, action: "credentials:view", scopes }
}

const fn manage_clients(id: &'static str, method: Method, path: &'static str) -> Operation {
    Operation { id, method, path, action: "credentials:manage", scopes: &["api-clients:write"] }
}

const fn see_connections(id: &'static str, path: &'static str) -> Operation {
    let scopes = &["connections:read", "connections:write"];
    Operation { id, method: Method::GET, path, action: "connections:view", scopes }
}

const fn manage_connections(id: &'static str, method: Method, path: &'static str) -> Operation {
    Operation { id, method, path, action: "connections:manage", scopes: &["connections:write"] }
}

const fn settle_provisioning(id: &'static str, method: Method) -> Operation {
    let (path, scopes) = (PROVISIONING, &["provisioning:write"]);
    Operation { id, method, path, action: "provisioning:manage", scopes }
}

/// What the identity provider itself asks for, reading as well as writing.
const fn provision(id: &'static str, method: Method, path: &'static str) -> Operation {
    Operation { id, method, path, action: "provisioning:sync", scopes: &["scim:write"] }
}

const fn see_platform(id: &'static str, path: &'static str) -> Operation {
    let scopes = &["platform:read", "platform:write"];
    Operation { id, method: Method::GET, path, action: "platform:view", scopes }
}

const fn manage_organisations(id: &'static str, method: Method, path: &'static str) -> Operation {
    let action = "platform:manage-organisations";
    Operation { id, method, path, action, scopes: &["platform:write"] }
}

const fn propose_policies(id: &'static str, path: &'static str) -> Operation {
    let (action, scopes) = ("platform:propose-policies", &["policies:propose"]);
    Operation { id, method: Method::POST, path, action, scopes }
}

const fn end_sessions(id: &'static str, path: &'static str) -> Operation {
    let (action, scopes) = ("sessions:end", &["sessions:write"]);
    Operation { id, method: Method::DELETE, path, action, scopes }
}

/// The one action here that is an operation of the hub as well, opened by its scopes.
pub(super) const OF_THE_HUB: &str = "audit-log:list";

const fn see_events(id: &'static str, path: &'static str) -> Operation {
    let scopes = &["audit-log:read", "all:read", "all:write", "all:delete"];
    Operation { id, method: Method::GET, path, action: OF_THE_HUB, scopes }
}

const fn push(id: &'static str, method: Method, path: &'static str) -> Operation {
    Operation { id, method, path, action: "directory:push", scopes: &["directory:write"] }
}

const fn ask(id: &'static str, path: &'static str) -> Operation {
    Operation {
        id,
        method: Method::POST,
        path,
        action: "decisions:ask",
        scopes: &["decisions:read"],
    }
}

pub(super) static PUT_RESOURCES: Operation = push("putResources", Method::PUT, RESOURCES);
pub(super) static DELETE_RESOURCES: Operation = push("deleteResources", Method::DELETE, RESOURCES);
pub(super) static BEGIN_UPLOAD: Operation = push("beginUpload", Method::POST, UPLOADS);
pub(super) static SHOW_UPLOAD: Operation = push("showUpload", Method::GET, UPLOAD);
pub(super) static RESUME_UPLOAD: Operation = push("resumeUpload", Method::PATCH, UPLOAD);
pub(super) static CANCEL_UPLOAD: Operation = push("cancelUpload", Method::DELETE, UPLOAD);
pub(super) static EVALUATE: Operation = ask("evaluate", "/access/v1/evaluation");
pub(super) static EVALUATE_MANY: Operation = ask("evaluateMany", "/access/v1/evaluations");

pub(super) static LIST_MEMBERS: Operation = see_members("listMembers", MEMBERS);
pub(super) static SHOW_MEMBER: Operation = see_members("showMember", MEMBER);
pub(super) static CREATE_MEMBER: Operation = manage_members("createMember", Method::POST, MEMBERS);
pub(super) static CHANGE_MEMBER: Operation = manage_members("changeMember", Method::PATCH, MEMBER);
pub(super) static REMOVE_MEMBER: Operation = manage_members("removeMember", Method::DELETE, MEMBER);
pub(super) static LIST_API_CLIENTS: Operation = see_clients("listApiClients", API_CLIENTS);
pub(super) static SHOW_API_CLIENT: Operation = see_clients("showApiClient", API_CLIENT);
pub(super) static CREATE_API_CLIENT: Operation =
    manage_clients("createApiClient", Method::POST, API_CLIENTS);
pub(super) static CHANGE_API_CLIENT: Operation =
    manage_clients("changeApiClient", Method::PATCH, API_CLIENT);
pub(super) static REMOVE_API_CLIENT: Operation =
    manage_clients("removeApiClient", Method::DELETE, API_CLIENT);
pub(super) static ROTATE_API_CLIENT: Operation =
    manage_clients("rotateApiClient", Method::POST, ROTATION);
pub(super) static LIST_SESSIONS: Operation = Operation {
    id: "listSessions",
    method: Method::GET,
    path: SESSIONS,
    action: "sessions:view",
    scopes: &["sessions:read", "sessions:write"],
};
pub(super) static END_SESSIONS: Operation = end_sessions("endSessions", SESSIONS);
pub(super) static END_SESSION: Operation = end_sessions("endSession", SESSION);
pub(super) static LIST_EVENTS: Operation = see_events("listEvents", EVENTS);
pub(super) static SHOW_EVENT: Operation = see_events("showEvent", AN_EVENT);

pub(super) static LIST_OWN_EVENTS: Operation = see_events("listOwnEvents", OWN_EVENTS);
pub(super) static SHOW_OWN_EVENT: Operation = see_events("showOwnEvent", OWN_EVENT);

pub(super) static LIST_NODES: Operation = see_members("listNodes", NODES);
pub(super) static SHOW_NODE: Operation = see_members("showNode", NODE);

pub(super) static LIST_CONNECTIONS: Operation = see_connections("listConnections", CONNECTIONS);
pub(super) static SHOW_CONNECTION: Operation = see_connections("showConnection", CONNECTION);
pub(super) static CREATE_CONNECTION: Operation =
    manage_connections("createConnection", Method::POST, CONNECTIONS);
pub(super) static CHANGE_CONNECTION: Operation =
    manage_connections("changeConnection", Method::PATCH, CONNECTION);
pub(super) static REMOVE_CONNECTION: Operation =
    manage_connections("removeConnection", Method::DELETE, CONNECTION);
pub(super) static TEST_CONNECTION: Operation =
    manage_connections("testConnection", Method::POST, CONNECTION_TEST);
pub(super) static LIST_DOMAINS: Operation = see_connections("listDomains", DOMAINS);
pub(super) static SHOW_DOMAIN: Operation = see_connections("showDomain", DOMAIN);
pub(super) static CREATE_DOMAIN: Operation =
    manage_connections("createDomain", Method::POST, DOMAINS);
pub(super) static CHANGE_DOMAIN: Operation =
    manage_connections("changeDomain", Method::PATCH, DOMAIN);
pub(super) static REMOVE_DOMAIN: Operation =
    manage_connections("removeDomain", Method::DELETE, DOMAIN);
pub(super) static VERIFY_DOMAIN: Operation =
    manage_connections("verifyDomain", Method::POST, DOMAIN_PROOF);

pub(super) static SHOW_PROVISIONING: Operation = Operation {
    id: "showProvisioning",
    method: Method::GET,
    path: PROVISIONING,
    action: "provisioning:view",
    scopes: &["provisioning:read", "provisioning:write"],
};
pub(super) static REPLACE_PROVISIONING: Operation =
    settle_provisioning("replaceProvisioning", Method::PUT);
pub(super) static REMOVE_PROVISIONING: Operation =
    settle_provisioning("removeProvisioning", Method::DELETE);
pub(super) static SHOW_SERVICE_PROVIDER: Operation =
    provision("showServiceProvider", Method::GET, "/scim/v2/ServiceProviderConfig");
pub(super) static LIST_SCIM_RESOURCE_TYPES: Operation =
    provision("listScimResourceTypes", Method::GET, "/scim/v2/ResourceTypes");
pub(super) static SHOW_SCIM_RESOURCE_TYPE: Operation =
    provision("showScimResourceType", Method::GET, "/scim/v2/ResourceTypes/{type}");
pub(super) static LIST_SCIM_SCHEMAS: Operation =
    provision("listScimSchemas", Method::GET, "/scim/v2/Schemas");
pub(super) static SHOW_SCIM_SCHEMA: Operation =
    provision("showScimSchema", Method::GET, "/scim/v2/Schemas/{schema}");
pub(super) static LIST_SCIM_USERS: Operation = provision("listScimUsers", Method::GET, SCIM_USERS);
pub(super) static SHOW_SCIM_USER: Operation = provision("showScimUser", Method::GET, SCIM_USER);
pub(super) static CREATE_SCIM_USER: Operation =
    provision("createScimUser", Method::POST, SCIM_USERS);
pub(super) static REPLACE_SCIM_USER: Operation =
    provision("replaceScimUser", Method::PUT, SCIM_USER);
pub(super) static PATCH_SCIM_USER: Operation = provision("patchScimUser", Method::PATCH, SCIM_USER);
pub(super) static DELETE_SCIM_USER: Operation =
    provision("deleteScimUser", Method::DELETE, SCIM_USER);
pub(super) static LIST_SCIM_GROUPS: Operation =
    provision("listScimGroups", Method::GET, SCIM_GROUPS);
pub(super) static SHOW_SCIM_GROUP: Operation = provision("showScimGroup", Method::GET, SCIM_GROUP);
pub(super) static CREATE_SCIM_GROUP: Operation =
    provision("createScimGroup", Method::POST, SCIM_GROUPS);
pub(super) static REPLACE_SCIM_GROUP: Operation =
    provision("replaceScimGroup", Method::PUT, SCIM_GROUP);
pub(super) static PATCH_SCIM_GROUP: Operation =
    provision("patchScimGroup", Method::PATCH, SCIM_GROUP);
pub(super) static DELETE_SCIM_GROUP: Operation =
    provision("deleteScimGroup", Method::DELETE, SCIM_GROUP);

pub(super) static LIST_ORGANISATIONS: Operation = see_platform("listOrganisations", ORGANISATIONS);
pub(super) static SHOW_ORGANISATION: Operation = see_platform("showOrganisation", ORGANISATION);
pub(super) static CREATE_ORGANISATION: Operation =
    manage_organisations("createOrganisation", Method::POST, ORGANISATIONS);
pub(super) static CHANGE_ORGANISATION: Operation =
    manage_organisations("changeOrganisation", Method::PATCH, ORGANISATION);
pub(super) static ISSUE_BOOTSTRAP_KEY: Operation =
    manage_organisations("issueBootstrapKey", Method::POST, BOOTSTRAP_KEY);
pub(super) static SUSPEND_ORGANISATION: Operation =
    manage_organisations("suspendOrganisation", Method::POST, SUSPENSION);
pub(super) static RESUME_ORGANISATION: Operation =
    manage_organisations("resumeOrganisation", Method::POST, RESUMPTION);
pub(super) static BREAK_GLASS: Operation = Operation {
    id: "breakGlass",
    method: Method::POST,
    path: EMERGENCY,
    action: "platform:break-glass",
    scopes: &["platform:break-glass"],
};
pub(super) static SHOW_SNAPSHOT: Operation = see_platform("showSnapshot", "/v1/platform/snapshot");
pub(super) static LIST_ROUTES: Operation = see_platform("listRoutes", "/v1/platform/routes");
pub(super) static LIST_POLICIES: Operation = see_platform("listPolicies", "/v1/platform/policies");
pub(super) static LIST_POLICY_CHANGES: Operation =
    see_platform("listPolicyChanges", POLICY_CHANGES);
pub(super) static SHOW_POLICY_CHANGE: Operation = see_platform("showPolicyChange", POLICY_CHANGE);
pub(super) static PREVIEW_POLICY_CHANGE: Operation =
    propose_policies("previewPolicyChange", POLICY_PREVIEW);
pub(super) static PROPOSE_POLICY_CHANGE: Operation =
    propose_policies("proposePolicyChange", POLICY_CHANGES);
pub(super) static CLOSE_POLICY_CHANGE: Operation =
    propose_policies("closePolicyChange", POLICY_CLOSING);
/// No scope opens it: it takes a person.
pub(super) static APPROVE_POLICY_CHANGE: Operation = Operation {
    id: "approvePolicyChange",
    method: Method::POST,
    path: POLICY_APPROVAL,
    action: "platform:approve-policies",
    scopes: &[],
};
pub(super) static SEARCH_DECISIONS: Operation = Operation {
    id: "searchDecisions",
    method: Method::GET,
    path: "/v1/platform/decisions",
    action: "platform:search-decisions",
    scopes: &["decisions:search"],
};

/// The one thing a bootstrap key is for.
pub(super) const REPLACES_BOOTSTRAP: &str = "createApiClient";

/// The scopes that administer an organisation: all but those of the hub's own services and of emergencies, and the
/// hub's own.
///
/// Those of the platform only for the organisation that runs it.
pub fn administration_scopes(platform: bool) -> BTreeSet<&'static str> {
    const OF_SERVICES: [&str; 4] =
        ["directory:push", "decisions:ask", "provisioning:sync", "platform:break-glass"];
    let own = OPERATIONS.iter().filter(|it| !OF_SERVICES.contains(&it.action));
    let own = own.filter(|it| platform || !it.is_of_the_platform());
    own.flat_map(|it| it.scopes).copied().filter(|scope| !scope.starts_with("all:")).collect()
}

/// The API scopes of which a key needs one for what is decided by `action`; nothing where no operation is.
pub fn scopes_of(action: &str) -> Option<&'static [&'static str]> {
    OPERATIONS.iter().find(|it| it.action == action).map(|it| it.scopes)
}

/// All of them.
pub(super) static OPERATIONS: [&Operation; 78] = [
    &PUT_RESOURCES,
    &DELETE_RESOURCES,
    &BEGIN_UPLOAD,
    &SHOW_UPLOAD,
    &RESUME_UPLOAD,
    &CANCEL_UPLOAD,
    &EVALUATE,
    &EVALUATE_MANY,
    &LIST_MEMBERS,
    &SHOW_MEMBER,
    &CREATE_MEMBER,
    &CHANGE_MEMBER,
    &REMOVE_MEMBER,
    &LIST_EVENTS,
    &SHOW_EVENT,
    &LIST_OWN_EVENTS,
    &SHOW_OWN_EVENT,
    &LIST_NODES,
    &SHOW_NODE,
    &LIST_API_CLIENTS,
    &SHOW_API_CLIENT,
    &CREATE_API_CLIENT,
    &CHANGE_API_CLIENT,
    &REMOVE_API_CLIENT,
    &ROTATE_API_CLIENT,
    &LIST_SESSIONS,
    &END_SESSIONS,
    &END_SESSION,
    &LIST_CONNECTIONS,
    &SHOW_CONNECTION,
    &CREATE_CONNECTION,
    &CHANGE_CONNECTION,
    &REMOVE_CONNECTION,
    &TEST_CONNECTION,
    &LIST_DOMAINS,
    &SHOW_DOMAIN,
    &CREATE_DOMAIN,
    &CHANGE_DOMAIN,
    &REMOVE_DOMAIN,
    &VERIFY_DOMAIN,
    &SHOW_PROVISIONING,
    &REPLACE_PROVISIONING,
    &REMOVE_PROVISIONING,
    &SHOW_SERVICE_PROVIDER,
    &LIST_SCIM_RESOURCE_TYPES,
    &SHOW_SCIM_RESOURCE_TYPE,
    &LIST_SCIM_SCHEMAS,
    &SHOW_SCIM_SCHEMA,
    &SHOW_SCIM_USER,
    &CREATE_SCIM_USER,
    &REPLACE_SCIM_USER,
    &PATCH_SCIM_USER,
    &DELETE_SCIM_USER,
    &SHOW_SCIM_GROUP,
    &CREATE_SCIM_GROUP,
    &REPLACE_SCIM_GROUP,
    &PATCH_SCIM_GROUP,
    &DELETE_SCIM_GROUP,
    &LIST_SCIM_USERS,
    &LIST_SCIM_GROUPS,
    &LIST_ORGANISATIONS,
    &SHOW_ORGANISATION,
    &CREATE_ORGANISATION,
    &CHANGE_ORGANISATION,
    &ISSUE_BOOTSTRAP_KEY,
    &SUSPEND_ORGANISATION,
    &RESUME_ORGANISATION,
    &SHOW_SNAPSHOT,
    &LIST_ROUTES,
    &LIST_POLICIES,
    &LIST_POLICY_CHANGES,
    &SHOW_POLICY_CHANGE,
    &PREVIEW_POLICY_CHANGE,
    &PROPOSE_POLICY_CHANGE,
    &APPROVE_POLICY_CHANGE,
    &CLOSE_POLICY_CHANGE,
    &SEARCH_DECISIONS,
    &BREAK_GLASS,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_decided_by_one_action_want_the_same_scopes() {
        for operation in OPERATIONS {
            assert_eq!(scopes_of(operation.action), Some(operation.scopes), "{}", operation.id);
        }
        assert_eq!(scopes_of("teams:view"), None);
    }
}
