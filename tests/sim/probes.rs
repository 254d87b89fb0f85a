//! Health checks by Docker's rules, told apart from the code under test: what the file leaves open comes
//! from the image, and the first probe comes one interval after the start.

use stackctl::model::GoDuration;
use stackctl::model::spec::Healthcheck;

/// The check a container has.
pub fn effective(file: Option<&Healthcheck>, image: Option<&Healthcheck>) -> Option<Healthcheck> {
    let Some(file) = file else { return image.cloned().filter(|check| !is_none(check)) };
    let mut check = file.clone();
    if let Some(image) = image {
        let set = |file: Option<GoDuration>, image| file.filter(|d| d.as_millis() > 0).or(image);
        if check.test.is_empty() {
            check.test.clone_from(&image.test);
        }
        check.interval = set(check.interval, image.interval);
        check.start_period = set(check.start_period, image.start_period);
        check.start_interval = set(check.start_interval, image.start_interval);
    }
    // Without a test there is none; the check of the oldest tests here has nothing set at all.
    (!is_none(&check)).then_some(check)
}

fn is_none(check: &Healthcheck) -> bool {
    check.test.first().is_some_and(|word| word == "NONE")
}

/// When it is probed first. What is set nowhere is taken for nothing rather than for the engine's default:
/// quicker than any engine.
pub fn first_ms(check: &Healthcheck) -> i64 {
    let ms = |set: Option<GoDuration>| set.map_or(0, GoDuration::as_millis);
    if ms(check.start_period) > 0 { ms(check.start_interval) } else { ms(check.interval) }
}
