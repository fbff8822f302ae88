//! The main job, once each way.

use standins::huggingface::RepoKind;
use standins::modelscope;

use crate::world::{KIB, MIB, World, bytes, generated};

#[test]
fn a_model_goes_from_hugging_face_to_modelscope_as_one_commit() {
    let world = World::start();
    let source = world.hf.repo(RepoKind::Model, "alice/bert");
    source.file("model.safetensors", generated(1, 24 * MIB)).file("README.md", "---\nlicense: mit\n---\n# bert\n");
    source.file("config.json", "{}").file("tokenizer/vocab.txt", bytes(2, 300 * KIB)).file("empty.txt", "").commit("all");

    let report = world.run(&["migrate", "alice/bert", "--to", "ms", "--json"]).exits(0).json();

    assert_eq!(report["state"], "verified");
    assert_eq!(report["verification"]["how"]["streamed"], 5);
    assert_eq!(report["destination"]["created"], true);
    let copy = world.ms.repo(modelscope::RepoKind::Model, "alice/bert");
    for path in ["model.safetensors", "README.md", "config.json", "tokenizer/vocab.txt", "empty.txt"] {
        assert_eq!(copy.files()[path].sha256, source.content(path).unwrap().sha256(), "{path}");
    }
    // one of the hub itself, and ours
    assert_eq!(copy.commits().len(), 2);
}

#[test]
fn a_dataset_goes_from_modelscope_to_hugging_face_as_one_commit() {
    let world = World::start();
    let source = world.ms.repo(modelscope::RepoKind::Dataset, "alice/corpus");
    source.file("data/train.parquet", generated(3, 40 * MIB)).file("README.md", "# corpus\n");
    source.file("data/copy.parquet", generated(3, 40 * MIB)).file("labels.txt", bytes(4, 20 * KIB)).commit("all");

    let report = world.run(&["migrate", "ms:alice/corpus", "--json"]).exits(0).json();

    assert_eq!(report["state"], "verified");
    let copy = world.hf.repo(RepoKind::Dataset, "alice/corpus");
    for path in ["data/train.parquet", "data/copy.parquet", "README.md", "labels.txt"] {
        assert_eq!(copy.files()[path].sha256, source.content(path).unwrap().sha256(), "{path}");
    }
    assert_eq!(copy.commits().len(), 2);
    assert!(world.hf.journal().sent_twice().is_empty(), "two paths with one content are sent once");
}
