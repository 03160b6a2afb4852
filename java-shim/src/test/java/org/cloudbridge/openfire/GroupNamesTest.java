package org.cloudbridge.openfire;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;

import java.util.Collections;
import java.util.HashSet;
import java.util.Set;

import org.junit.Test;

public class GroupNamesTest {
    private static final String LONG = String.join("", Collections.nCopies(60, "\u6771"));

    @Test
    public void aNameMakesAnIdAndTheIdTheName() {
        String[][] pairs = {
            {"a", "a"}, {"Night watch", "Night_20watch"}, {"_", "_5f"}, {"_2e", "_5f2e"}, {"..", ".."}, {"a/b?c", "a_2fb_3fc"},
            {"caf\u00e9", "caf_c3_a9"}, {"\ud83c\udf39", "_f0_9f_8c_b9"}, {"100%", "100_25"}, {"Upper-Case.1", "Upper-Case.1"},
        };
        for (String[] pair : pairs) {
            assertEquals(pair[1], GroupNames.id(pair[0]));
            assertEquals(pair[0], GroupNames.name(pair[1]));
        }
    }

    @Test
    public void everyIdIsOneThatThePlatformTakesAndNoTwoNamesShareOne() {
        Set<String> ids = new HashSet<>();
        String[] names = {"a", "A", "a b", "a_b", "a_20b", LONG, LONG + "x", LONG + "y", String.join("", Collections.nCopies(128, "x")),
            String.join("", Collections.nCopies(129, "x")), String.join("", Collections.nCopies(43, " "))};
        for (String name : names) {
            String id = GroupNames.id(name);
            assertTrue(id, id.matches("[A-Za-z0-9._-]{1,128}"));
            assertTrue(id, ids.add(id));
        }
    }

    @Test
    public void anIdThatNoNameMakesHasNone() {
        for (String id : new String[] {"a_", "a_2", "a_2E", "a_zz", "_61", "a_.2", GroupNames.id(LONG), "_ff"}) {
            assertNull(id, GroupNames.name(id));
        }
    }

    @Test
    public void anotherIdForATakenOneIsOneThatNoNameMakes() {
        assertEquals("Night_20watch_.2", GroupNames.other("Night_20watch", 2));
        assertNull(GroupNames.name(GroupNames.other("a", 3)));
        assertEquals(128, GroupNames.other(String.join("", Collections.nCopies(128, "x")), 12).length());
    }

    @Test
    public void aShortFormFitsIsKnownAgainAndCutsNoCharacterInHalf() {
        String roses = String.join("", Collections.nCopies(30, "\ud83c\udf39"));
        String cut = GroupNames.fitting(roses, 50, "t");
        assertTrue(cut, cut.length() <= 50 && GroupNames.isShortened(cut, "t") && !GroupNames.isShortened(cut, "u"));
        assertTrue(Character.isLowSurrogate(cut.charAt(cut.indexOf(" ~") - 1)));
        assertEquals("as it is", GroupNames.fitting("as it is", 50, "t"));
        assertFalse(GroupNames.isShortened("as it is", "t"));
        assertTrue(GroupNames.isShortened(GroupNames.shortened("taken", 50, "t"), "t"));
    }
}
