//! TLS towards a service: the certificate must be from the trusted authority, for the name.

use hubgate_testkit::certificates::{Authority, Leaf};
use hubgate_testkit::recording_upstream::RecordingUpstream;

use super::other;
use crate::support::{Gateway, Wishes};

const TRUST: &str = "tls = { server_name = \"hub.internal\", ca_file = \"hub-ca.pem\" }";

async fn before(leaf: &Leaf, trusted: &Authority) -> (Gateway, RecordingUpstream) {
    let upstream = RecordingUpstream::start_tls(leaf.server_config().unwrap()).await.unwrap();
    let gateway = Gateway::start_with(Wishes {
        settings: other(&[upstream.address()], TRUST),
        files: vec![("hub-ca.pem".to_owned(), trusted.pem().to_owned())],
        ..Wishes::default()
    })
    .await;
    (gateway, upstream)
}

#[tokio::test]
async fn a_certificate_of_the_trusted_authority_for_the_name_is_taken() {
    let authority = Authority::new().unwrap();
    let leaf = authority.leaf(&["hub.internal"]).unwrap();
    let (gateway, upstream) = before(&leaf, &authority).await;
    assert_eq!(gateway.get("/other/a", gateway.api_key()).await.status, 200);
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn another_name_another_authority_and_an_old_certificate_are_a_502() {
    let (authority, stranger) = (Authority::new().unwrap(), Authority::new().unwrap());
    for leaf in [
        authority.leaf(&["other.internal"]).unwrap(),
        stranger.leaf(&["hub.internal"]).unwrap(),
        authority.expired_leaf(&["hub.internal"]).unwrap(),
    ] {
        let (gateway, upstream) = before(&leaf, &authority).await;
        let answer = gateway.get("/other/a", gateway.api_key()).await;
        assert_eq!(answer.status, 502);
        assert!(upstream.requests().is_empty(), "nothing was sent");
        assert_eq!(gateway.outcome(&answer).await["first_byte_sent"], false);
    }
}
