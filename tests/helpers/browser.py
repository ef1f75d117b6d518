"""A headless browser that writes down what a page complains about or asks for."""

import shutil
from contextlib import contextmanager

# An injected script, handler, style and image, of which none may take effect.
ATTACK = """() => {
  const script = document.createElement("script");
  script.textContent = "window.attacked = 1";
  document.body.append(script);
  document.body.insertAdjacentHTML("beforeend", '<i id="attack" style="color: red" '
    + 'onclick="window.attacked = 1"></i><img src="https://example.org/x.png">');
  document.getElementById("attack").click();
  return [window.attacked, document.getElementById("attack").style.color];
}"""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def found():
    """Path of a browser, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def started(path):
    """Start a browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser, path, *, width=1200, dark=False, script=True):
    """Open a page; `page.complaints` lists messages, errors, dialogs and requests.

    Whatever a test does with the page, its policy must not be violated, and must stop an attack.
    """
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        java_script_enabled=script,
    )
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("dialog", lambda dialog: page.complaints.append(dialog.message))
    page.on("request", lambda request: page.complaints.append(request.url))
    page.goto(path.as_uri())
    own = page.complaints.pop(0)
    assert own == path.as_uri()
    page.complaints = [each for each in page.complaints if each != "data:,"]  # the icon
    yield page
    assert violations(page) == []
    policy = page.locator("meta[http-equiv='Content-Security-Policy']").get_attribute("content")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    if script:
        assert page.evaluate(ATTACK) == [None, ""]
        page.wait_for_timeout(50)
        stopped = " ".join(violations(page))
        for rule in ("script-src", "style-src", "img-src"):
            assert rule in stopped
    context.close()


def violations(page):
    """What was stopped by the policy of a page."""
    return [each for each in page.complaints if "Content Security Policy" in each]
