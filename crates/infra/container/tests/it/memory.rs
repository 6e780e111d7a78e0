//! The runner in memory.

use std::sync::Arc;

use mu_container::{MemoryRunner, conformance};
use mu_env::Env;
use mu_image::Form;

use crate::image::Images;

#[tokio::test(flavor = "multi_thread")]
async fn it_conforms() {
    let images = Images::new(Form::Unpacked);
    let image = images.image(&conformance::COMMAND).await;
    let runner = MemoryRunner::new(Env::system(), Arc::new(|process| Box::pin(conformance::act(process))));
    conformance::check(Arc::new(runner.clone()), image).await;
    assert!(runner.containers().is_empty());
}
