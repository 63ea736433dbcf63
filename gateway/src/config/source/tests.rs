//! What is read where files changed, and what is kept of them.

use std::fs;

use super::*;

/// A folder of organisations, with what was read from it.
struct World {
    base: tempfile::TempDir,
    source: FileSource,
    directory: Directory,
}

impl World {
    fn new(ids: &[&str]) -> Self {
        let base = tempfile::tempdir().unwrap();
        let tenants = base.path().join("tenants");
        let organisations = ids.iter().map(|id| {
            let folder = tenants.join(id);
            fs::create_dir_all(&folder).unwrap();
            let head = format!("id = \"{id}\"\nname = \"{id}\"\nroot = \"Operator::{id}\"\n");
            fs::write(folder.join("organisation.toml"), head).unwrap();
            let texts = Texts::read(&folder, base.path()).unwrap();
            let data = texts.organisation(base.path(), &|_| None, &mut Vec::new()).unwrap();
            Arc::new(Organisation::build(data).unwrap())
        });
        let directory = Directory::build(organisations.collect()).unwrap();
        let kept = KeptFiles::beside(&base.path().join("hubgate.sqlite"));
        let source = FileSource::new(tenants, base.path().to_path_buf()).with_kept(kept);
        Self { base, source, directory }
    }

    fn organisation(&self, id: &str) -> &Organisation {
        self.directory.organisations().find(|it| it.id().as_str() == id).unwrap()
    }

    fn head(&self, id: &str) -> PathBuf {
        self.base.path().join("tenants").join(id).join("organisation.toml")
    }

    fn kept(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.base.path().join("hubgate.kept")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Why the files of `id` cannot be told.
    fn cause(&self, id: &str) -> String {
        self.source.texts(self.organisation(id)).unwrap_err().cause
    }
}

#[test]
fn files_that_changed_are_read_as_they_were_kept() {
    let world = World::new(&["acme"]);
    let head = fs::read(world.head("acme")).unwrap();
    world.source.keep(&world.directory).unwrap();
    fs::write(world.head("acme"), "no settings at all").unwrap();
    let texts = world.source.texts(world.organisation("acme")).unwrap();
    assert_eq!(texts.digest(), world.organisation("acme").digest());
    fs::write(world.head("acme"), head).unwrap();
    assert!(world.source.texts(world.organisation("acme")).is_ok());
}

#[test]
fn what_cannot_be_read_now_is_told_beside_what_is_wrong_with_the_kept_files() {
    let world = World::new(&["acme"]);
    world.source.keep(&world.directory).unwrap();
    for file in world.kept() {
        fs::write(file, "damaged").unwrap();
    }
    fs::write(world.head("acme"), "changed").unwrap();
    let changed = "its files changed, and as they were they are damaged";
    assert_eq!(world.cause("acme"), changed);
    fs::write(world.head("acme"), b"\xff").unwrap();
    let unreadable =
        "tenants/acme/organisation.toml: is not UTF-8 text; and as they were they are damaged";
    assert_eq!(world.cause("acme"), unreadable);
}

#[test]
fn damaged_kept_files_are_written_again_where_they_are_looked_at() {
    let world = World::new(&["acme"]);
    world.source.keep(&world.directory).unwrap();
    for file in world.kept() {
        fs::write(file, "damaged").unwrap();
    }
    world.source.keep(&world.directory).unwrap();
    assert_eq!(fs::read(&world.kept()[0]).unwrap(), b"damaged", "a reload does not look");
    world.source.keep_and_check(&world.directory).unwrap();
    fs::remove_file(world.head("acme")).unwrap();
    assert!(world.source.texts(world.organisation("acme")).is_ok());
}

#[test]
fn the_first_error_is_told_and_the_others_are_kept() {
    let world = World::new(&["acme", "bolt", "core"]);
    let mut failed = Vec::new();
    for id in ["acme", "core"] {
        fs::write(world.head(id), "changed").unwrap();
    }
    for organisation in world.directory.organisations() {
        failed.extend((organisation.id().as_str() != "bolt").then(|| organisation.id().clone()));
    }
    let error = world.source.keep(&world.directory).unwrap_err();
    assert_eq!(Some(&error.tenant), failed.first());
    assert_eq!(error.cause, "its files changed while they were taken over");
    assert_eq!(world.kept().len(), 1, "the other one is kept");
}
