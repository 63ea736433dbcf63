//! A good file comes into force, a bad one does not, and the watch sees both.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// Tells the test what came into force.
#[derive(Debug)]
struct Recorder(Mutex<Sender<u32>>, bool);

impl Apply for Recorder {
    fn apply(&self, loaded: Loaded) -> Result<(), ApplyError> {
        if self.1 {
            return Err(ApplyError::NeedsRestart { key: "listen.http" });
        }
        let limit = loaded.settings.limits.address.requests.get();
        self.0.lock().unwrap().send(limit).map_err(|error| ApplyError::Failed(error.to_string()))
    }

    fn rejected(&self, _why: &str) {}
}

struct Scene {
    folder: tempfile::TempDir,
    reloader: Arc<Reloader>,
    applied: Receiver<u32>,
}

impl Scene {
    fn new(refusing: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["schemas", "policies", "tenants"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::write(folder.path().join("schemas/hub.cedarschema"), SCHEMA).unwrap();
        std::fs::write(folder.path().join("policies/roles.cedar"), POLICY).unwrap();
        let (sender, applied) = channel();
        let apply = Arc::new(Recorder(Mutex::new(sender), refusing));
        let reloader = Arc::new(Reloader::new(folder.path().join("gateway.toml"), apply));
        let scene = Self { folder, reloader, applied };
        scene.write(&good(1));
        scene
    }

    fn write(&self, text: &str) {
        // As an editor does: a new file in the place of the old.
        let new = self.folder.path().join("gateway.toml.new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.folder.path().join("gateway.toml")).unwrap();
    }

    /// Waits for a state to come into force; bounded, and far longer than it takes.
    fn next(&self) -> u32 {
        self.applied.recv_timeout(Duration::from_secs(30)).unwrap()
    }
}

const SCHEMA: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/hub.cedarschema"));
const POLICY: &str = "@id(\"status\")\n\
    permit(principal, action == Action::\"status:view\", resource);\n";

fn good(requests: u32) -> String {
    format!("[listen]\nhttp = \"127.0.0.1:0\"\n[limits]\naddress = {{ requests = {requests} }}\n")
}

#[test]
fn a_bad_file_keeps_the_last_good_and_says_where_it_is_wrong() {
    let scene = Scene::new(false);
    assert!(scene.reloader.reload().is_some());
    scene.write("[listen]\nhttp = \"127.0.0.1:0\"\nthreads = \"many\"\n");
    assert_eq!(scene.reloader.reload(), None);
    let status = scene.reloader.status();
    assert_eq!((status.applied, status.refused), (1, 1));
    let problem = status.problem.unwrap();
    assert!(
        problem.contains("gateway.toml:3: listen.threads: expected a whole number"),
        "{problem}"
    );
    scene.write(&good(2));
    scene.reloader.reload();
    assert_eq!(scene.reloader.status().problem, None);
    assert_eq!(scene.applied.try_iter().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_state_that_cannot_be_applied_is_refused() {
    let scene = Scene::new(true);
    assert_eq!(scene.reloader.reload(), None);
    let problem = scene.reloader.status().problem.unwrap();
    assert_eq!(problem, "`listen.http` takes effect at the next start only");
}

#[test]
fn the_watch_sees_a_replaced_file_and_a_ring() {
    let scene = Scene::new(false);
    let places = scene.reloader.reload().unwrap();
    assert_eq!(scene.next(), 1);
    let watch = ReloadWatch::start(Arc::clone(&scene.reloader), &places).unwrap();
    scene.write(&good(7));
    assert_eq!(scene.next(), 7);
    watch.bell().ring();
    assert_eq!(scene.next(), 7);
}

#[test]
fn a_watch_ends_when_dropped() {
    let scene = Scene::new(false);
    let places = scene.reloader.reload().unwrap();
    let watch = ReloadWatch::start(Arc::clone(&scene.reloader), &places).unwrap();
    let bell = watch.bell();
    drop(watch);
    assert_eq!(bell.0.try_send(Signal::Changed), Err(TrySendError::Disconnected(Signal::Changed)));
}
