//! The systems of what an operator sells and sees: refunds, plans, codes, the shop, dashboards, search.

use super::world::World;

#[tokio::test]
async fn tax_refunds() {
    let mut world = World::of("ada oskar bea sam edda wes olga tina nils").await;
    // Danish law: the main account and west are Danish, east is Swedish. Plan-refund is offered to west.
    // Plan-service is offered to both: no secret to those who run them, though it offers no refund.
    world
        .drive(
            "
                                                           ada oskar bea sam edda wes olga tina nils
            GET  /operators/nordvolt/tax-refunds           200 200   403 403 404  404 404  404  404
            POST /operators/nordvolt/tax-refund-plans      201 201   403 403 404  404 404  404  404
            GET  /operators/nordvolt/tax-refund-payouts    200 200   200 403 404  404 404  404  404
            GET  /operators/nordvolt-east/tax-refunds      403 403   403 403 403  404 404  404  404
            POST /operators/nordvolt-east/tax-refund-plans 403 403   403 403 403  404 404  404  404
            GET  /operators/nordvolt-west/tax-refunds      200 200   403 403 404  200 200  404  404
            POST /operators/nordvolt-west/tax-refund-plans 201 201   403 403 404  201 201  404  404
            POST /plans/plan-refund/tax-refund             201 201   403 403 404  201 201  404  404
            POST /plans/plan-service/tax-refund            403 403   403 403 403  403 403  404  404
            GET  /tax-refunds/refund-0001                  200 200   200 403 404  200 200  403  404
            POST /meter-readings/reading-0001/approve      200 200   403 403 404  200 200  403  404
            ",
        )
        .await;
    world.finish("Tax Refunds", &[]);
}

#[tokio::test]
async fn create_a_plan() {
    let mut world = World::of("ada oskar bea sam edda wes otto nils").await;
    world
        .drive(
            "
                                                ada oskar bea sam edda wes otto nils
            POST /operators/nordvolt/plans      201 201   403 403 404  404 404  404
            POST /operators/nordvolt-east/plans 201 201   403 403 201  404 404  404
            POST /operators/nordvolt-west/plans 201 201   403 403 404  201 404  404
            POST /operators/solarpark/plans     404 404   404 404 404  404 404  404
            ",
        )
        .await;
    world.finish_with(&["create-plan"]);
}

#[tokio::test]
async fn manage_plans_and_subscriptions() {
    let mut world = World::of("ada oskar bea sam edda wes otto tina nils").await;
    // A plan of the main account is seen where it is offered, and edited above only.
    world
        .drive(
            "
                                       ada oskar bea sam edda wes otto tina nils
            GET    /plans              200 200   403 403 200  200 404  404  404
            GET    /plans/plan-service 200 200   403 403 200  200 404  404  404
            PATCH  /plans/plan-service 200 200   403 403 404  404 404  404  404
            DELETE /plans/plan-service 204 403   403 403 404  404 404  404  404
            GET    /plans/plan-internal 200 200  403 403 404  404 404  404  404
            GET    /plans/plan-airport 200 200   403 403 404  200 404  404  404
            PATCH  /plans/plan-airport 200 200   403 403 404  200 404  404  404
            DELETE /plans/plan-airport 204 403   403 403 404  204 404  404  404
            GET    /plans/plan-nowhere 404 404   404 404 404  404 404  404  404
            ",
        )
        .await;
    // A team cancels what it was allowed to cancel: subscription-0001 of otto's, not 0002 of tina's.
    world
        .drive(
            "
                                                          ada oskar bea sam edda wes otto tina nils
            GET    /subscriptions                         200 200   403 403 200  200 200  200  404
            GET    /subscriptions/subscription-0001       200 200   403 403 200  404 200  404  404
            GET    /subscriptions/subscription-0002       200 200   403 403 404  200 404  200  404
            POST   /subscriptions/subscription-0001/cancel 200 200  403 403 200  404 200  404  404
            DELETE /subscriptions/subscription-0001       204 204   403 403 204  404 204  404  404
            POST   /subscriptions/subscription-0002/cancel 200 200  403 403 404  200 404  403  404
            GET    /subscription-purchases                200 200   200 403 200  200 404  404  404
            GET    /subscription-purchases/purchase-0001  200 200   200 403 200  404 403  404  404
            POST   /subscription-purchases/purchase-0001/refund 200 200 200 403 200 404 403 404 404
            ",
        )
        .await;
    world.finish("Subscriptions", &[]);
}

#[tokio::test]
async fn apply_and_approve_subscriptions() {
    let mut world = World::of("ada oskar bea sam edda wes otto tina nils").await;
    world
        .drive(
            "
                                            ada oskar bea sam edda wes otto tina nils
            POST /plans/plan-service/apply  201 201   403 403 201  201 404  404  404
            POST /plans/plan-internal/apply 201 201   403 403 404  404 404  404  404
            POST /plans/plan-airport/apply  201 201   403 403 404  201 404  404  404
            ",
        )
        .await;
    // The operator subscribes a team and approves; nobody of the team does. 0001 is active already.
    world
        .drive(
            "
                                                       ada oskar bea sam edda wes otto tina nils
            POST /subscriptions {\"teamId\":\"team-harbour\"} 201 201 403 403 201 404 403 404 404
            POST /subscriptions {\"teamId\":\"team-airport\"} 201 201 403 403 404 201 404 403 404
            POST /subscriptions {\"teamId\":\"team-meadow\"}  404 404 404 404 404 404 404 404 404
            POST /subscriptions/subscription-0002/approve     200 200 403 403 404 200 404 403 404
            POST /subscriptions/subscription-0001/approve     403 403 403 403 403 404 403 404 404
            ",
        )
        .await;
    world.finish_with(&["apply-plan", "create-subscription", "approve-subscription"]);
}

#[tokio::test]
async fn promotion_codes() {
    let mut world = World::of("ada oskar bea sam edda wes tina nils").await;
    // WELCOME1 lives, SUMMER24 has expired; both are the main account's. FIRST100 of west is used up.
    world
        .drive(
            "
                                                          ada oskar bea sam edda wes tina nils
            GET    /promotion-codes                       200 200   200 200 200  200 404  404
            GET    /promotion-codes/WELCOME1              200 200   200 200 404  404 404  404
            POST   /operators/nordvolt/promotion-codes    201 201   403 403 404  404 404  404
            POST   /operators/nordvolt-east/promotion-codes 201 201 403 403 201  404 404  404
            PATCH  /promotion-codes/WELCOME1              200 200   403 403 404  404 404  404
            DELETE /promotion-codes/WELCOME1              204 403   403 403 404  404 404  404
            GET    /promotion-codes/SUMMER24              200 200   200 200 404  404 404  404
            PATCH  /promotion-codes/SUMMER24              403 403   403 403 404  404 404  404
            GET    /promotion-codes/FIRST100              200 200   200 200 404  200 404  404
            PATCH  /promotion-codes/FIRST100              403 403   403 403 404  403 404  404
            POST   /promotion-codes/redeem                201 201   403 403 201  201 404  404
            ",
        )
        .await;
    world.finish("Promotion Codes", &[]);
}

#[tokio::test]
async fn shop() {
    let mut world = World::of("ada oskar bea sam edda otto tina max nils").await;
    world
        .drive(
            "
                                                 ada oskar bea sam edda otto tina max nils
            GET  /operators/nordvolt/shop        200 200   200 200 404  404  404  404 404
            POST /operators/nordvolt/shop/orders 201 201   403 403 404  404  404  404 404
            GET  /operators/nordvolt-east/shop   200 200   200 200 200  404  404  404 404
            POST /operators/nordvolt-east/shop/orders 201 201 403 403 201 404 404 404 404
            POST /teams/team-harbour/shop/orders 201 201   403 403 201  201  404  403 404
            POST /teams/team-airport/shop/orders 201 201   403 403 404  404  201  404 404
            POST /teams/team-frozen/shop/orders  403 403   403 403 404  404  404  404 404
            GET  /shop/orders/order-0001         200 200   200 200 200  200  404  403 404
            GET  /shop/orders/order-0002         200 200   200 200 404  404  404  404 404
            ",
        )
        .await;
    // Paying from the team's wallet is a toggle of each member: max has it, otto has not.
    world
        .drive(
            "
                                                 ada oskar bea sam edda otto tina max nils
            POST /wallets/wallet-harbour/orders  403 403   403 403 403  403  404  201 404
            ",
        )
        .await;
    world.finish("Shop", &[]);
}

/// The hub's host belongs to the organisation, so that it is known whose link somebody unknown opens.
#[tokio::test]
async fn dashboards() {
    let mut world = World::changed("ada oskar bea sam edda wes nils nobody", |tenant| {
        let file = tenant.join("organisation.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let bound = text.replace("hosts = []", "hosts = [\"hub.localhost\"]");
        assert_ne!(bound, text);
        std::fs::write(file, bound).unwrap();
    })
    .await;
    world
        .drive(
            "
                                                 ada oskar bea sam edda wes nils nobody
            GET  /operators/nordvolt/dashboards  200 200   403 403 404  404 404  401
            GET  /operators/nordvolt-west/dashboards 200 200 403 403 404 200 404 401
            GET  /dashboards/dashboard-network   200 200   403 403 404  404 404  401
            GET  /dashboards/dashboard-west      200 200   403 403 404  200 404  401
            POST /dashboards/dashboard-network/links 201 201 403 403 404 404 404 401
            DELETE /dashboard-links/shared-public 204 204  403 403 404  404 404  401
            GET  /operators/nordvolt/status      200 200   200 200 200  200 200  200
            GET  /welcome                        200 200   200 200 200  200 200  401
            ",
        )
        .await;
    // Public: whoever has the link. Over: nobody any more. Private: members, who do not need the link. With a
    // password: the hub asks for it, at the other address.
    world
        .drive(
            "
                                                      ada oskar bea sam edda wes nils nobody
            GET  /shared/dashboards/shared-public     200 200   200 200 200  200 200  200
            GET  /shared/dashboards/shared-over       403 403   403 403 404  404 404  401
            GET  /shared/dashboards/shared-private    403 403   403 403 404  404 404  401
            GET  /shared/dashboards/shared-password   403 403   403 403 404  404 404  401
            GET  /shared/dashboards/shared-nowhere    404 404   404 404 404  404 404  401
            POST /shared/dashboards/shared-password/sign-in 204 204 204 204 204 204 204 204
            POST /shared/dashboards/shared-over/sign-in     403 403 403 403 404 404 404 401
            POST /shared/dashboards/shared-nowhere/sign-in  404 404 404 404 404 404 404 401
            ",
        )
        .await;
    world.finish("Dashboards", &[]);
}

/// Edda tries what is new; her account has no search yet. Of east's people nobody else would find it.
#[tokio::test]
async fn search() {
    let mut world = World::of("ada oskar bea sam edda wes olga otto nils").await;
    world
        .drive(
            "
                                        ada oskar bea sam edda wes olga otto nils
            GET /search?words=harbour   200 200   200 200 200  200 200  404  404
            ",
        )
        .await;
    world.finish("Search", &[]);
}
