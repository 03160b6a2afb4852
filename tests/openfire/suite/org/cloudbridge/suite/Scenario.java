package org.cloudbridge.suite;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** A test in a real Openfire: a method {@code void name(Stage stage) throws Exception} of a class listed in Main. */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.METHOD)
@interface Scenario {

    /** What must be true. */
    String value();

    /** How long it may take. */
    int seconds() default 120;

    /** Whether nothing else may run beside it: it loads the machine, or counts on it being idle. */
    boolean alone() default false;
}
