//! The attributes taken and answered: what RFC 7643 §4 lists, less what nothing here uses.
//!
//! `password` is not here on purpose: like every attribute that is not here it may be sent, and is dropped. People
//! sign in at their identity provider, and a password must never be stored.

use super::Attribute;

/// Of every resource (RFC 7643 §3.1).
pub(crate) const COMMON: &[Attribute] = &[
    Attribute::reference("schemas", &["uri"], "The schemas of the resource.")
        .multi_valued()
        .read_only()
        .always_returned(),
    Attribute::text("id", "The resource, by the name this server gave it.")
        .case_exact()
        .read_only()
        .always_returned(),
    Attribute::text("externalId", "The resource, by the name the client gave it.").case_exact(),
    Attribute::complex("meta", META, "When it was made and changed, and where it is.").read_only(),
];

/// Of a user (RFC 7643 §4.1).
pub(crate) const USER: &[Attribute] = &[
    // RFC 7643 §4.1.1: userName is REQUIRED, unique, and not case-exact.
    Attribute::text("userName", "The name to sign in with.").required().unique(),
    Attribute::complex("name", NAME, "The parts of the name."),
    Attribute::text("displayName", "The name to show."),
    Attribute::text("nickName", "The name among friends."),
    Attribute::reference("profileUrl", &["external"], "A page about the user."),
    Attribute::text("title", "The title, such as `Vice President`."),
    Attribute::text("userType", "The relation to the organisation, such as `Contractor`."),
    Attribute::text("preferredLanguage", "The preferred languages, as RFC 9110 §12.5.4 writes."),
    Attribute::text("locale", "How to write numbers and dates, as RFC 5646 names it."),
    Attribute::text("timezone", "The time zone, as the IANA database names it."),
    Attribute::boolean("active", "Whether the user may sign in. True where it is not given."),
    Attribute::complex("emails", EMAILS, "The e-mail addresses.").multi_valued(),
    Attribute::complex("phoneNumbers", PHONE_NUMBERS, "The phone numbers.").multi_valued(),
    Attribute::complex("addresses", ADDRESSES, "The postal addresses.").multi_valued(),
    Attribute::complex("groups", GROUPS, "The groups the user belongs to.")
        .multi_valued()
        .read_only(),
];

/// Of a user in an enterprise (RFC 7643 §4.3).
pub(crate) const ENTERPRISE_USER: &[Attribute] = &[
    Attribute::text("employeeNumber", "The number the organisation gave the user."),
    Attribute::text("costCenter", "The cost centre."),
    Attribute::text("organization", "The organisation."),
    Attribute::text("division", "The division."),
    Attribute::text("department", "The department."),
    Attribute::complex("manager", MANAGER, "The manager."),
];

/// Of a group (RFC 7643 §4.2).
pub(crate) const GROUP: &[Attribute] = &[
    // RFC 7643 §4.2: displayName is REQUIRED.
    Attribute::text("displayName", "The name to show.").required(),
    Attribute::complex("members", MEMBERS, "The members.").multi_valued(),
];

const META: &[Attribute] = &[
    Attribute::text("resourceType", "The kind of the resource.").case_exact().read_only(),
    Attribute::date_time("created", "When it was made.").read_only(),
    Attribute::date_time("lastModified", "When it was last changed.").read_only(),
    Attribute::reference("location", &["uri"], "Where it is.").read_only(),
    Attribute::text("version", "Its entity tag.").case_exact().read_only(),
];

const NAME: &[Attribute] = &[
    Attribute::text("formatted", "The whole name."),
    Attribute::text("familyName", "The family name."),
    Attribute::text("givenName", "The given name."),
    Attribute::text("middleName", "The middle names."),
    Attribute::text("honorificPrefix", "What goes before, such as `Ms.`."),
    Attribute::text("honorificSuffix", "What goes after, such as `III`."),
];

const PRIMARY: Attribute =
    Attribute::boolean("primary", "Whether it is the preferred one. At most one is.");
const LABEL: Attribute = Attribute::text("display", "The value as it is shown.");
const KIND: Attribute = Attribute::text("type", "What it is for.");

const EMAILS: &[Attribute] = &[
    Attribute::text("value", "The address."),
    LABEL,
    KIND.usually(&["work", "home", "other"]),
    PRIMARY,
];

const PHONE_NUMBERS: &[Attribute] = &[
    Attribute::text("value", "The number."),
    LABEL,
    KIND.usually(&["work", "home", "mobile", "fax", "pager", "other"]),
    PRIMARY,
];

const ADDRESSES: &[Attribute] = &[
    Attribute::text("formatted", "The whole address. It may have several lines."),
    Attribute::text("streetAddress", "Street and house. It may have several lines."),
    Attribute::text("locality", "The town."),
    Attribute::text("region", "The state or region."),
    Attribute::text("postalCode", "The postal code."),
    Attribute::text("country", "The country, as ISO 3166-1 alpha-2 names it."),
    KIND.usually(&["work", "home", "other"]),
    PRIMARY,
];

const GROUPS: &[Attribute] = &[
    Attribute::text("value", "The group, by its id.").case_exact().read_only(),
    Attribute::reference("$ref", &["Group"], "Where the group is.").read_only(),
    Attribute::text("display", "The name of the group.").read_only(),
    Attribute::text("type", "How the user belongs to it.").usually(&["direct"]).read_only(),
];

const MANAGER: &[Attribute] = &[
    Attribute::text("value", "The manager, by id.").case_exact(),
    // RFC 7643 §4.3 has it read-only. Okta provisions it, so it is kept as given.
    Attribute::text("displayName", "The manager's name."),
];

const MEMBERS: &[Attribute] = &[
    // RFC 7643 §4.2: the parts of a member are immutable, members come and go whole.
    Attribute::text("value", "The member, by id.").required().case_exact().immutable(),
    Attribute::reference("$ref", &["User", "Group"], "Where the member is.").immutable(),
    Attribute::text("display", "The name of the member."),
    Attribute::text("type", "The kind of the member.").usually(&["User", "Group"]).immutable(),
];
