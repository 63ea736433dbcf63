//! The systems of people and accounts: who is who, who may what, and how they sign in.

use super::world::World;

#[tokio::test]
async fn welcome_to_hub() {
    let mut world = World::of("ada oskar bea sam edda otto tina max nils").await;
    world
        .drive(
            "
                                            ada oskar bea sam edda otto tina max nils
            GET /welcome                    200 200   200 200 200  200  200  200 200
            GET /operators/nordvolt/status  200 200   200 200 200  200  200  200 200
            GET /operators/solarpark/status 404 404   404 404 404  404  404  404 404
            GET /operators/nowhere/status   404 404   404 404 404  404  404  404 404
            ",
        )
        .await;
    world.finish("Welcome", &[]);
}

#[tokio::test]
async fn my_account_is_ones_own_whatever_the_role() {
    let mut world = World::of("ada oskar bea sam edda tina nils").await;
    world
        .drive(
            "
                                              ada oskar bea sam edda tina nils
            GET   /my-account                 200 200   200 200 200  200  200
            GET   /accounts/user-ada          200 403   403 403 404  404  404
            GET   /accounts/user-oskar        403 200   403 403 404  404  404
            GET   /accounts/user-bea          403 403   200 403 404  404  404
            GET   /accounts/user-sam          403 403   403 200 404  404  404
            GET   /accounts/user-edda         403 403   403 403 200  404  404
            GET   /accounts/user-tina         403 403   403 403 404  200  404
            GET   /accounts/user-nils         403 403   403 403 404  404  200
            GET   /accounts/user-nowhere      404 404   404 404 404  404  404
            PATCH /accounts/user-sam          403 403   403 200 404  404  404
            PATCH /accounts/user-nils         403 403   403 403 404  404  200
            PUT   /accounts/user-edda/beta    403 403   403 403 200  404  404
            POST  /accounts/user-bea/export   403 403   202 403 404  404  404
            POST  /accounts/user-tina/deletion 403 403  403 403 404  202  404
            ",
        )
        .await;
    // A password is changed by who has one: of these only ada; the others sign in by single sign-on alone.
    world
        .drive(
            "
                                              ada oskar edda
            PUT   /accounts/user-ada/password   204 403 404
            PUT   /accounts/user-oskar/password 403 403 404
            PUT   /accounts/user-edda/password  403 403 403
            ",
        )
        .await;
    world.finish("My Account", &[]);
}

#[tokio::test]
async fn the_operator_account_its_settings_bank_account_and_themes() {
    let mut world = World::of("ada oskar bea sam edda tina nils").await;
    world
        .drive(
            "
                                                    ada oskar bea sam edda nils
            GET    /operators/nordvolt/settings     200 200   200 200 404  404
            PATCH  /operators/nordvolt/settings     200 200   403 403 404  404
            GET    /operators/nordvolt-east/settings   200 200 200 200 200 404
            PATCH  /operators/nordvolt-east/settings   200 200 403 403 200 404
            PATCH  /operators/nordvolt-west/settings   200 200 403 403 404 404
            GET    /operators/solarpark/settings    404 404   404 404 404  404
            GET    /operators/nordvolt/bank-accounts   200 200 200 403 404 404
            GET    /bank-accounts/bank-nordvolt     200 200   200 403 404  404
            GET    /themes/theme-nordvolt           200 200   403 403 200  404
            GET    /themes/theme-west               200 200   403 403 404  404
            GET    /operators/nordvolt/themes       200 200   403 403 404  404
            POST   /operators/nordvolt/themes       201 201   403 403 404  404
            PATCH  /themes/theme-nordvolt           200 200   403 403 404  404
            POST   /themes/theme-nordvolt/apply     204 204   403 403 204  404
            DELETE /themes/theme-nordvolt           204 403   403 403 404  404
            ",
        )
        .await;
    // A bank account is added once, by who handles money, to a company that is verified. After that nobody
    // changes it. The main account and west have one, east has none, lab is not verified. A team's may change.
    world
        .drive(
            "
                                                        ada oskar bea sam edda tina nils
            POST   /operators/nordvolt/bank-accounts      403 403 403 403 404  404  404
            POST   /operators/nordvolt-west/bank-accounts 403 403 403 403 404  404  404
            POST   /operators/nordvolt-east/bank-accounts 201 403 201 403 201  404  404
            POST   /operators/nordvolt-lab/bank-accounts  403 403 403 403 404  404  404
            PATCH  /bank-accounts/bank-nordvolt           403 403 403 403 404  404  404
            DELETE /bank-accounts/bank-nordvolt           403 403 403 403 404  404  404
            GET    /bank-accounts/bank-airport            200 200 200 403 404  200  404
            PATCH  /bank-accounts/bank-airport            200 403 403 403 404  200  404
            DELETE /bank-accounts/bank-airport            204 403 403 403 404  204  404
            ",
        )
        .await;
    world.finish("Operator Account", &[]);
}

#[tokio::test]
async fn operator_roles_and_permissions() {
    let mut world = World::of("ada oskar bea sam edda tina nils").await;
    world
        .drive(
            "
                                                    ada oskar bea sam edda tina nils
            GET    /operators/nordvolt/members      200 200   403 200 404  404  404
            GET    /operators/nordvolt-east/members 200 200   403 200 200  404  404
            GET    /operators/nordvolt-west/members 200 200   403 200 404  404  404
            POST   /operators/nordvolt/members      201 403   403 403 404  404  404
            POST   /operators/nordvolt-east/members 201 403   403 403 201  404  404
            GET    /operator-members/member-oskar   200 200   403 200 404  404  404
            PATCH  /operator-members/member-oskar   200 403   403 403 404  404  404
            DELETE /operator-members/member-oskar   204 403   403 403 404  404  404
            GET    /operator-members/member-edda    200 200   403 200 200  404  404
            PATCH  /operator-members/member-edda    200 403   403 403 200  404  404
            DELETE /operator-members/member-edda    204 403   403 403 204  404  404
            GET    /operator-members/member-nowhere 404 404   404 404 404  404  404
            ",
        )
        .await;
    // Roles come with the tiers Business and Enterprise; lab has Basic.
    world
        .drive(
            "
                                                    ada oskar edda
            GET    /operators/nordvolt-lab/members  200 200   404
            POST   /operators/nordvolt-lab/members  403 403   404
            ",
        )
        .await;
    world.finish("Members and Access", &[]);
}

#[tokio::test]
async fn organisation_structures() {
    let mut world = World::of("ada oskar bea sam edda wes otto nils").await;
    world
        .drive(
            "
                                                          ada oskar bea sam edda wes otto nils
            GET  /organisation                            200 200   200 200 404  404 404  404
            GET  /operators/nordvolt/sub-operators        200 200   200 200 404  404 404  404
            GET  /operators/nordvolt-east/sub-operators   200 200   200 200 200  404 404  404
            GET  /operators/nordvolt-west/sub-operators   200 200   200 200 404  200 404  404
            POST /operators/nordvolt/switch               204 204   204 204 404  404 404  404
            POST /operators/nordvolt-east/switch          204 204   204 204 204  404 404  404
            POST /operators/nordvolt-west/switch          204 204   204 204 404  204 404  404
            POST /operators/solarpark/switch              404 404   404 404 404  404 404  404
            ",
        )
        .await;
    // A role on the main account is the same role in a sub-account; a sub-account reaches neither up nor
    // sideways. Teams stand for everything below an account.
    world
        .drive(
            "
                                       ada oskar bea sam edda wes otto nils
            GET    /teams/team-harbour 200 200   200 200 200  404 200  404
            GET    /teams/team-airport 200 200   200 200 404  200 404  404
            GET    /teams/team-fleet   200 200   200 200 404  404 404  404
            PATCH  /teams/team-harbour 200 200   403 403 200  404 200  404
            PATCH  /teams/team-airport 200 200   403 403 404  200 404  404
            DELETE /teams/team-harbour 204 403   403 403 204  404 403  404
            GET    /teams/team-meadow  404 404   404 404 404  404 404  404
            ",
        )
        .await;
    world.finish("Organisation Structure", &[]);
}

/// Olga's company signs her in by another connection than the one she came by: nothing is open to her. What
/// would be hers but for that says so; the rest is as hidden as ever.
#[tokio::test]
async fn single_sign_on() {
    let mut world = World::changed("ada oskar bea sam edda wes olga nils", |tenant| {
        let members = tenant.join("members.toml");
        let text = std::fs::read_to_string(&members).unwrap();
        let (before, olga) = text.split_once("id = \"olga\"").unwrap();
        let own = "sso_connection = \"demo\"";
        assert!(olga.contains(own), "{olga}");
        let olga = olga.replacen(own, "sso_connection = \"company\"", 1);
        std::fs::write(&members, format!("{before}id = \"olga\"{olga}")).unwrap();
    })
    .await;
    world
        .drive(
            "
                                                  ada oskar bea sam edda wes olga nils
            GET /operators/nordvolt/sso           200 403   403 403 404  404 404  404
            GET /operators/nordvolt-east/sso      200 403   403 403 200  404 404  404
            GET /operators/nordvolt-west/sso      200 403   403 403 404  200 403  404
            GET /operators/nordvolt-west/settings 200 200   200 200 404  200 403  404
            GET /welcome                          200 200   200 200 200  200 403  200
            GET /my-account                       200 200   200 200 200  200 403  200
            GET /accounts/user-ada                200 403   403 403 404  404 404  404
            GET /accounts/user-olga               403 403   403 403 404  403 403  404
            ",
        )
        .await;
    for path in ["/welcome", "/my-account"] {
        let page = world.browser("olga").get(&format!("/api/v1{path}")).await;
        assert_eq!(page.status.as_u16(), 403, "{path}: {}", page.body);
        for words in ["Sign in with your company&#39;s account", "/.hubgate/sign-in"] {
            assert!(page.body.contains(words), "{path}: {words}: {}", page.body);
        }
    }
    world.finish("Single Sign-On", &[]);
}

#[tokio::test]
async fn api_keys() {
    let mut world = World::of("ada oskar bea sam edda tina nils").await;
    world
        .drive(
            "
                                                     ada oskar bea sam edda tina nils
            GET    /operators/nordvolt/api-keys      200 403   403 403 404  404  404
            POST   /operators/nordvolt/api-keys      201 403   403 403 404  404  404
            GET    /operators/nordvolt-east/api-keys 200 403   403 403 200  404  404
            POST   /operators/nordvolt-east/api-keys 201 403   403 403 201  404  404
            GET    /api-keys/app-billing             200 403   403 403 404  404  404
            PATCH  /api-keys/app-billing             200 403   403 403 404  404  404
            DELETE /api-keys/app-billing             204 403   403 403 404  404  404
            GET    /api-keys/app-nowhere             404 404   404 404 404  404  404
            ",
        )
        .await;
    // A paid feature, which lab does not have.
    world
        .drive(
            "
                                                     ada oskar
            GET    /operators/nordvolt-lab/api-keys  403 403
            POST   /operators/nordvolt-lab/api-keys  403 403
            ",
        )
        .await;
    world.finish("API Keys", &[]);
}

#[tokio::test]
async fn audit_log() {
    let mut world = World::of("ada oskar bea sam edda tina nils").await;
    world
        .drive(
            "
                                                     ada oskar bea sam edda tina nils
            GET   /operators/nordvolt/audit-log      200 200   403 403 404  404  404
            GET   /operators/nordvolt-east/audit-log 200 200   403 403 200  404  404
            GET   /operators/nordvolt-west/audit-log 200 200   403 403 404  404  404
            GET   /auditlog/events                   200 200   403 403 200  404  404
            GET   /auditlog/events/event-0001        200 200   403 403 404  404  404
            GET   /auditlog/events/event-0002        200 200   403 403 404  403  404
            GET   /auditlog/events/event-nowhere     404 404   404 404 404  404  404
            ",
        )
        .await;
    // Nobody changes it: there is no such operation.
    world
        .drive(
            "
                                                     ada
            PATCH  /auditlog/events/event-0001       405
            DELETE /auditlog/events/event-0001       405
            ",
        )
        .await;
    world.finish("Audit Log", &[]);
}

#[tokio::test]
async fn know_your_business() {
    let mut world = World::of("ada oskar bea sam edda otto gina max nils").await;
    world
        .drive(
            "
                                              ada oskar bea sam edda otto gina max nils
            GET  /operators/nordvolt/kyb      200 403   200 403 404  404  404  404 404
            POST /operators/nordvolt/kyb      201 403   201 403 404  404  404  404 404
            GET  /operators/nordvolt-east/kyb 200 403   200 403 200  404  404  404 404
            POST /operators/nordvolt-east/kyb 201 403   201 403 201  404  404  404 404
            GET  /teams/team-harbour/kyb      200 403   200 403 200  200  404  403 404
            POST /teams/team-harbour/kyb      201 403   201 403 201  201  404  403 404
            GET  /teams/team-quay/kyb         200 403   200 403 200  404  200  404 404
            POST /teams/team-quay/kyb         201 403   201 403 201  404  201  404 404
            ",
        )
        .await;
    // What waits for the check. The account lab and the private team quay are not verified; a personal team
    // needs no check, and one whose operator settles its transactions has nothing to withdraw. Money is moved
    // by who handles it, never by an operations manager.
    let amount = "{\"amount\":1}";
    world
        .drive(&format!(
            "
                                                             ada oskar bea sam edda otto gina max nils
            POST /wallets/wallet-nordvolt/withdraw {amount}  200 403 200 403 404  404  404  404 404
            POST /wallets/wallet-harbour/withdraw  {amount}  200 403 200 403 200  200  404  403 404
            POST /wallets/wallet-cabin/withdraw    {amount}  200 403 200 403 200  404  404  404 404
            POST /wallets/wallet-lab/withdraw      {amount}  403 403 403 403 404  404  404  404 404
            POST /wallets/wallet-quay/withdraw     {amount}  403 403 403 403 403  404  403  404 404
            POST /wallets/wallet-fleet/withdraw    {amount}  403 403 403 403 404  404  404  404 404
            POST /teams/team-quay/invoicing                  403 403 403 403 403  404  403  404 404
            POST /teams/team-harbour/invoicing               202 202 403 403 202  202  404  403 404
            "
        ))
        .await;
    world.finish("Know Your Business", &[]);
}
