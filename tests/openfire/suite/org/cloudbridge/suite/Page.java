package org.cloudbridge.suite;

import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;

/** The settings page in a real browser, as an administrator meets it. */
final class Page {

    private Page() {
    }

    @Scenario("in Chromium: every field has a label, nothing leaves the server, no complaint; the mode can be changed, the "
            + "platform tested, and the figures renew themselves")
    static void inChromium(Stage stage) throws Exception {
        Path program = Browser.find();
        if (program == null) {
            stage.skip("no Chromium on this machine");
            return;
        }
        Server server = stage.bridge("juliet", "romeo").start();
        try (Browser browser = Browser.start(program, stage.directory())) {
            browser.open(server.pageUrl());
            Check.equal("0", browser.evaluate("String([...document.querySelectorAll('select,input:not([type=hidden])')]"
                    + ".filter(e => !document.querySelector('label[for=\"' + e.id + '\"]')).length)").text(), "fields without a label");
            Check.equal("0", browser.evaluate("String([...document.querySelectorAll('[id]')].length "
                    + "- new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size)").text(), "ids used twice");
            Check.that(browser.evaluate("document.documentElement.scrollWidth <= innerWidth").isTrue(), "it fits 1000 pixels");

            browser.evaluate("document.querySelector('#cb-chat-mode').value = 'decide'");
            browser.evaluate("document.querySelector('#cb-save').click()");
            browser.awaitTrue("document.querySelector('#cb-message')?.className.includes('cb-good') === true");
            Check.equal("decide", browser.evaluate("document.querySelector('#cb-chat-mode').value").text(), "the mode shown afterwards");
            server.awaitReady();
            browser.awaitTrue("document.querySelector('[data-cb=\"/platform/reachable\"]').textContent === 'yes'");

            browser.evaluate("document.querySelector('#cb-test').click()");
            browser.awaitTrue("document.querySelector('#cb-message')?.textContent.includes('im-platform') === true");

            Client juliet = stage.online(server, "juliet", "balcony");
            Client romeo = stage.online(server, "romeo", "orchard");
            juliet.chat(romeo.fullJid(), "counted");
            romeo.inbox.awaitBody("counted");
            browser.awaitTrue("Number(document.querySelector('[data-cb=\"/modules/chat/counts/seen\"]').textContent) >= 1");

            browser.screenshot(stage.world.openfire.resolve("screenshots/page.png"));
            // The icon is the console's, which this server has none of.
            List<String> complaints = browser.complaints().stream()
                    .filter(text -> !text.contains("/favicon.ico")).collect(Collectors.toList());
            Check.equal(List.of(), complaints, "what the browser complained about");
            List<String> elsewhere = browser.requests().stream()
                    .filter(url -> !url.startsWith("http://127.0.0.1:")).collect(Collectors.toList());
            Check.equal(List.of(), elsewhere, "requests to elsewhere");
        }
    }
}
